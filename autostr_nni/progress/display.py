"""Lines of progress: plain ones at intervals, or one that is rewritten on a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

FIRST_INTERVAL = 60.0  # seconds between two plain lines of the state, if nothing has happened
GROWTH = 20  # later: the time so far divided by this
TICK = 1.0  # seconds between two looks at a state on a terminal

Log = Callable[[str], None]


class Display:
    """Plain lines, through any function that takes one. ``display(line)`` tells what happened."""

    def __init__(self, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._start: float | None = None
        self._last = (0.0, "")

    def __call__(self, line: str) -> None:
        self._log(line)

    def state(self, line: str, event: bool = False) -> None:
        """Tell the state: at once after an ``event``, else at intervals that grow with the time so far."""
        now = self._clock()
        if self._start is None:
            self._start, event = now, True
        then, told = self._last
        interval = max(FIRST_INTERVAL, (now - self._start) / GROWTH)
        if line != told and (event or now - then >= interval):
            self._last = (now, line)
            self._log(line)

    @contextlib.contextmanager
    def following(self, line: Callable[[], str]) -> Iterator[None]:
        """Within, the state ``line()`` is kept up to date where that needs no new line."""
        yield

    def close(self) -> None:
        """Leave the cursor at the start of a line."""


class TerminalDisplay(Display):
    """A terminal: what happened scrolls, and below it the state is one line that is rewritten."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(self._print, clock)
        self._console = Console(file=stream, force_terminal=True)
        self._state = ""
        self._followed: Callable[[], str] | None = None
        self._live = Live(
            console=self._console,
            get_renderable=self._line,
            refresh_per_second=1 / TICK,
            redirect_stdout=False,  # `others_beside` does it, where it is wanted
            redirect_stderr=False,
        )

    def state(self, line: str, event: bool = False) -> None:
        """Put ``line`` in place of the last one, cut to the terminal's width."""
        self._state = line
        if self._live.is_started:
            self._live.refresh()
        else:
            self._live.start(refresh=True)

    @contextlib.contextmanager
    def following(self, line: Callable[[], str]) -> Iterator[None]:
        """Within, the state is looked at every second."""
        self._followed = line
        self.state(line())
        try:
            yield
        finally:
            self._followed, self._state = None, line()

    def close(self) -> None:
        """Keep the last state as an ordinary line."""
        self._live.stop()

    def _line(self) -> Any:
        from rich.text import Text

        return Text(self._followed() if self._followed else self._state, no_wrap=True, overflow="ellipsis")

    def _print(self, line: str) -> None:
        from rich.text import Text

        self._console.print(Text(line), soft_wrap=True)


class Beside:
    """A stream for what others print while a terminal shows a state: each line goes above it.

    It says that it is no terminal, so that no other progress bar writes over the state.
    """

    def __init__(self, display: Display, stream: TextIO) -> None:
        self._display, self._stream = display, stream
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._display(line)
        return len(text)

    def end(self) -> None:
        """Write out a last line that was not ended."""
        if self._begun:
            self.write("\n")

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding


def is_terminal(stream: TextIO) -> bool:
    """Whether a line can be rewritten there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextlib.contextmanager
def display_on(stream: TextIO) -> Iterator[Display]:
    """A display that writes to ``stream``, closed at the end."""

    def log(line: str) -> None:
        print(line, file=stream, flush=True)

    display = TerminalDisplay(stream) if is_terminal(stream) else Display(log)
    try:
        yield display
    finally:
        display.close()


@contextlib.contextmanager
def others_beside(display: Display, stream: TextIO) -> Iterator[None]:
    """Within, what this process prints goes to ``stream`` and, on a terminal, above the state."""
    if not isinstance(display, TerminalDisplay):
        with contextlib.redirect_stdout(stream):
            yield
        return
    beside = Beside(display, stream)
    errors = beside if is_terminal(sys.stderr) else sys.stderr
    try:
        with contextlib.redirect_stdout(beside), contextlib.redirect_stderr(errors):
            yield
    finally:
        beside.end()


def as_display(log: Log) -> Display:
    """``log`` itself if it is a display, else plain lines through it."""
    return log if isinstance(log, Display) else Display(log)
