"""A trial's command: have the trial run by a fork of the warm process, and stand for it. Light."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from autostr_nni.system.leaving import handling
from autostr_nni.warm.talk import COLD_VARIABLE, FOLDER_VARIABLE, Request, address, send_request

PATIENCE = 60.0  # seconds for the warm process to have imported what it keeps


def run_warm() -> int | None:
    """Run this command in a fork of the warm process; its exit status, or None where it must run here.

    None at once where there is no such process, where it has ended, and where it would not be the same
    program. Ends this process by the signal that ended the trial.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or os.environ.get(COLD_VARIABLE):
        return None
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(PATIENCE)
            with address(Path(folder)) as name:
                connection.connect(name)
            lines = _lines(connection)
            if next(lines) != "ready":
                return None
            connection.settimeout(None)
            send_request(connection, Request.of_this_process())
            word, _, number = next(lines).partition(" ")
        except (OSError, StopIteration):  # not there, or gone while it was asked
            return None
        if word != "started":
            return None
        trial = int(number)
        stack.enter_context(_signals_to(connection))
        word, _, number = next(lines, "gone").partition(" ")
    if word == "killed":
        _die_by(int(number))
    return int(number) if word == "exit" else _orphaned(trial)


def _lines(connection: socket.socket) -> Iterator[str]:
    with connection.makefile("r", encoding="ascii") as stream:
        for line in stream:
            yield line.strip()


@contextlib.contextmanager
def _signals_to(connection: socket.socket) -> Iterator[None]:
    """Within, what NNI or the user sends to this process goes to the trial."""

    def forward(number: int, frame: Any) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(f"signal {number}\n".encode())

    with handling((signal.SIGINT, signal.SIGTERM), forward):
        yield


def _orphaned(trial: int) -> int:
    """The warm process is gone, and the trial with it: its data workers must not stay."""
    with contextlib.suppress(OSError):
        os.killpg(trial, signal.SIGKILL)
    print("autostr: the process that this trial was forked from is gone, and the trial too", file=sys.stderr)
    return 1


def _die_by(number: int) -> NoReturn:
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
