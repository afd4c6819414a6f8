"""The queues of loader processes."""

from __future__ import annotations

import queue
import signal
import threading
import time

import pytest

from autostr_nni.data.pipes import PipeQueue, pipe_context


def put_all(pipe: PipeQueue, items: list[object]) -> None:
    for item in items:
        pipe.put(item)


def test_what_is_put_comes_out_in_order() -> None:
    pipe = pipe_context().Queue()
    put_all(pipe, [1, "two", ("three", 4)])
    assert not pipe.empty()
    assert [pipe.get(), pipe.get(timeout=1), pipe.get()] == [1, "two", ("three", 4)]
    assert pipe.empty()
    pipe.close()


def test_nothing_comes_of_an_empty_one() -> None:
    pipe = pipe_context().Queue()
    started = time.monotonic()
    with pytest.raises(queue.Empty):
        pipe.get(timeout=0.05)
    assert time.monotonic() - started >= 0.05


def test_many_processes_put_whole_messages() -> None:
    context = pipe_context()
    pipe = context.Queue()
    # Together more than the pipe holds: putting waits until there is room.
    parts = [[(name, "x" * 100_000)] * 20 for name in range(3)]
    writers = [context.Process(target=put_all, args=(pipe, part)) for part in parts]
    for writer in writers:
        writer.start()
    came = [pipe.get(timeout=60) for _ in range(60)]
    for writer in writers:
        writer.join()
    assert sorted(came) == sorted(item for part in parts for item in part)


def test_an_interrupted_put_does_not_shut_out_the_last_message() -> None:
    class Interrupted(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupted

    pipe = pipe_context().Queue()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        pipe._writing.acquire()  # as where the exception comes between taking it and the first line within
        signal.setitimer(signal.ITIMER_REAL, 5)
        pipe.put(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert pipe.get(timeout=1) is None
    assert not [thread for thread in threading.enumerate() if "QueueFeeder" in thread.name]
