"""What a process that was started prints comes whole to the one that started it."""

from __future__ import annotations

from multiprocessing.connection import Pipe

from autostr_nni.system.lifeline import answer, receive


def test_lines_come_whole() -> None:
    ours, theirs = Pipe()

    def work() -> int:
        print("one", "line", flush=True)
        print("two\nmore", end="", flush=True)
        return 3

    with ours, theirs:
        assert answer(theirs, work) == 0
        sent = [receive(ours) for _ in range(4)]
        assert not ours.poll()
    assert sent == [("print", "one line\n"), ("print", "two\n"), ("print", "more"), ("done", 3)]


def test_what_is_printed_before_a_fault_comes_first() -> None:
    ours, theirs = Pipe()

    def work() -> None:
        print("begun", end="")
        raise ValueError("no")

    with ours, theirs:
        assert answer(theirs, work) == 1
        assert receive(ours) == ("print", "begun")
        kind, error, trace = receive(ours)
    assert kind == "failed" and str(error) == "ValueError: no" and "in work" in trace
