"""Lines of progress: at which moments, and exactly what a terminal is sent."""

from __future__ import annotations

import io
import re
import sys
import threading

import pytest

from autostr_nni.progress import display as module
from autostr_nni.progress.display import Display, TerminalDisplay, as_display, display_on, others_beside


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """Keeps what was written, and shows what a terminal would: lines, of which the last may be rewritten."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines = [""]
        column = 0
        for part in re.sub(r"\x1b\[\?25[lh]", "", self.getvalue()).replace("\x1b[2K", "\0"):
            if part == "\n":
                lines.append("")
                column = 0
            elif part == "\r":
                column = 0
            elif part == "\0":
                lines[-1] = ""
            else:
                lines[-1] = lines[-1][:column] + part + lines[-1][column + 1 :]
                column += 1
        return lines


def test_plain_lines_come_at_events_and_at_growing_intervals() -> None:
    clock, lines = Clock(), list[str]()
    shown = Display(lines.append, clock)
    shown.state("0 done")
    assert lines == ["0 done"]  # the first at once
    for second in range(1, 7200):
        clock.now = 1000.0 + second
        shown.state(f"at {second}")
    times = [int(line.split()[1]) for line in lines[1:]]
    assert times[:3] == [60, 120, 180]
    assert all(60 <= b - a <= 7200 / module.GROWTH for a, b in zip(times, times[1:], strict=False))
    assert times[-1] - times[-2] > 250 and len(times) < 60
    shown.state("1 done", event=True)
    shown.state("1 done", event=True)  # nothing new to tell
    shown("trial x failed")
    assert lines[-2:] == ["1 done", "trial x failed"]
    assert not any(character in "".join(lines) for character in "\r\x1b\n")


def test_a_terminal_has_one_line_that_is_rewritten() -> None:
    terminal = Terminal()
    shown = TerminalDisplay(terminal)
    shown("page: http://127.0.0.1:1/")
    shown.state("0 of 3 trials done, time left ?")
    shown.state("1 of 3 trials done")
    assert terminal.screen() == ["page: http://127.0.0.1:1/", "1 of 3 trials done"]
    shown("trial 7 failed")
    assert terminal.screen() == ["page: http://127.0.0.1:1/", "trial 7 failed", "1 of 3 trials done"]
    shown.close()
    shown("the summary")
    assert terminal.screen()[-3:] == ["1 of 3 trials done", "the summary", ""]


def test_the_line_is_cut_to_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    for width, cut in (
        (21, "3 of 12 trials done,…"),
        (3, "3 …"),
        (80, "3 of 12 trials done, about 5 min left"),
    ):
        monkeypatch.setenv("COLUMNS", str(width))
        terminal = Terminal()
        shown = TerminalDisplay(terminal)
        shown.state("3 of 12 trials done, about 5 min left")
        assert terminal.screen() == [cut]
        shown.state("[x] short")  # no markup: letters are shown as they are
        assert terminal.screen() == ["[x] short"[:width] if width > 8 else "[x…"[: width - 1] + "…"]
        shown.close()
        assert terminal.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_a_state_that_changes_by_itself_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.01)
    terminal, looked = Terminal(), threading.Event()
    shown, count = TerminalDisplay(terminal), 0

    def line() -> str:
        nonlocal count
        count += 1
        if count == 5:
            looked.set()
        return f"look {count}"

    with shown.following(line):
        shown.state("told in between")
        assert looked.wait(30)
    shown.close()
    after = count
    assert terminal.screen()[-2].startswith("look ") and count == after


def test_what_others_print_goes_above_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with display_on(terminal) as shown, others_beside(shown, terminal):
        shown.state("1 of 3")
        print("half", end="")
        assert terminal.screen() == ["1 of 3"]  # a line that is not whole waits
        print(" a line")
        print("a warning", file=sys.stderr)
        assert not sys.stderr.isatty()  # no other bar writes over the state
        assert terminal.screen() == ["half a line", "a warning", "1 of 3"]
    assert terminal.screen() == ["half a line", "a warning", "1 of 3", ""]


@pytest.mark.parametrize(("terminal", "term"), [(io.StringIO(), "xterm"), (Terminal(), "dumb")])
def test_no_control_characters_where_there_is_no_such_terminal(
    terminal: io.StringIO, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    with display_on(terminal) as shown, others_beside(shown, terminal), shown.following(str):
        shown.state("1 of 3")
        shown("folder: x")
        print("others")
    assert terminal.getvalue() == "1 of 3\nfolder: x\nothers\n"


def test_any_function_of_a_line_will_do() -> None:
    lines: list[str] = []
    shown = as_display(lines.append)
    assert as_display(shown) is shown
    shown("a")
    assert lines == ["a"]


def test_a_last_line_without_an_end_is_not_lost() -> None:
    stream = Terminal()
    with display_on(stream) as display, others_beside(display, stream):
        print("whole line")
        print("last words", end="")
    assert stream.screen()[:2] == ["whole line", "last words"]
