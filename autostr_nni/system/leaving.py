"""The ends of a process that has imported torch: by a signal, and the quick one. Light."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


def interruption() -> Callable[[int, Any], None]:
    """A signal handler that raises KeyboardInterrupt in this process; one forked from it just goes."""
    here = os.getpid()

    def interrupt(number: int, frame: Any) -> None:
        if os.getpid() != here:
            os._exit(128 + number)
        pass_over_children()
        raise KeyboardInterrupt

    return interrupt


@contextmanager
def handling(numbers: Iterable[int], handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Within, these signals are for the handler."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def stoppable(*numbers: int) -> Iterator[None]:
    """Within, these signals, else SIGTERM and SIGHUP, raise KeyboardInterrupt like Ctrl-C, so that what was
    started is stopped. What the process was told to ignore stays ignored, as SIGHUP by nohup."""
    asked = numbers or (signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in asked if signal.getsignal(number) is not signal.SIG_IGN]
    with handling(heard, interruption()):
        yield


def pass_over_children() -> None:
    """From here on it is no news that a loader process ends.

    Torch would raise an error for it at any line, also while the process's own end is being handled.
    """
    signal.signal(signal.SIGCHLD, pass_over)


def pass_over(number: int, frame: Any) -> None:
    """A handler that does nothing. With SIG_DFL, Python complains of a signal that has come already."""


def leave(status: Any) -> NoReturn:
    """End this process as ``sys.exit(status)`` would, without taking every imported module apart first.

    What was registered for the end runs, and threads are waited for.
    """
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader is gone: nobody is left to tell
            status = status or 120
    os._exit((status or 0) & 0xFF)
