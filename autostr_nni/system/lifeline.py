"""Processes that do not outlive the one that started them, however that ends, and talk to it. Light.

A module is started with a pipe, through which it gets its work and answers. What goes through is pickled, and
nobody else can open the pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from io import TextIOBase
from multiprocessing.connection import Connection, Pipe
from typing import Any

from autostr_nni.system import extensions
from autostr_nni.system.errors import InputError, TrainingFailed

_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the one with the id ``parent``, which started it, is gone."""
    with contextlib.suppress(AttributeError, OSError):  # no Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel was told
        os._exit(128 + signal.SIGKILL)


def start(
    module: str, work: Any, environment: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start ``python -m module`` with its work; the process, and the connection to it."""
    connection, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    with contextlib.suppress(OSError):  # one that died at once is found when its answer is awaited
        send(connection, work)
    return process, connection


def started() -> Connection:
    """In the process that was started: the connection, with the user's own modules loaded."""
    die_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    extensions.load_inherited()
    return Connection(int(sys.argv[1]))


def answer(connection: Connection, work: Callable[[], Any], printed: bool = True) -> int:
    """Do the work in the process that was started, and send what it gives or raises; the exit status.

    ``printed``: what it prints is sent too; else nobody sees it.
    """
    try:
        with Printed(connection if printed else None) as out, contextlib.redirect_stdout(out):
            result = work()
        send(connection, ("done", result))
    except BaseException as error:
        send(connection, ("failed", sendable(error), traceback.format_exc()))
        return 1
    return 0


def call(module: str, work: Any) -> Any:
    """What a process of its own, ``python -m module``, gives or raises; what it prints is printed here.

    Interrupted, it sends the process SIGTERM, and leaves it some seconds to clear up.
    """
    process, connection = start(module, work)
    try:
        while (message := receive(connection))[0] == "print":
            print(message[1], end="", flush=True)
    except (EOFError, OSError):
        raise RuntimeError(f"the process of {module} is gone with exit status {process.wait()}") from None
    except BaseException:
        process.terminate()
        raise
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)
        process.kill()
        process.wait()
        connection.close()
    if message[0] == "failed":
        raise message[1]
    return message[1]


def send(connection: Connection, message: Any) -> None:
    """Send by value: torch would have tensors sent by `Connection.send` share memory."""
    connection.send_bytes(pickle.dumps(message))


def receive(connection: Connection) -> Any:
    """What was sent. Raises EOFError or OSError where the other side is gone."""
    return pickle.loads(connection.recv_bytes())


class Printed(TextIOBase):
    """Standard output that is printed by the process that started this one, or by nobody.

    It is sent line by line: of each part of a line NNI's log of a trial would make one of its own.
    """

    def __init__(self, connection: Connection | None) -> None:
        self._connection, self._begun = connection, ""

    def write(self, text: str, /) -> int:
        lines, end, self._begun = (self._begun + text).rpartition("\n")
        self._send(lines + end)
        return len(text)

    def close(self) -> None:
        self._send(self._begun)
        super().close()

    def _send(self, text: str) -> None:
        if text and self._connection is not None:
            send(self._connection, ("print", text))


def sendable(error: BaseException) -> Exception:
    """``error`` if it survives the pipe, else its type and message."""
    if isinstance(error, InputError | TrainingFailed | MemoryError):
        with contextlib.suppress(Exception):
            copy: Exception = pickle.loads(pickle.dumps(error))
            return copy
    return RuntimeError(f"{type(error).__name__}: {error}")
