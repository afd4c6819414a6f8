"""Work shared by processes, its results in order; if one is killed, a sentence says so."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from autostr_nni.system.errors import InputError
from autostr_nni.system.lifeline import die_with_parent, receive, send, sendable

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, what: str
) -> Iterator[Iterator[Result]]:
    """The results of `work` for the items, in their order, made by so many processes (1: by this one).

    They take the items in turn, and each has a pipe of its own: one that is killed, even while it sends, is
    noticed by the pipe's end. In a pool, with one pipe for all, the others would be waited for for ever.

    Raises InputError, which says that a process that did ``what`` was killed.
    """
    if processes == 1:
        yield map(work, items)
        return
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for place in range(processes):
            started.append(_start(work, items[place::processes]))
        yield (_next(*started[place % processes], what) for place in range(len(items)))
    finally:
        for process, connection in started:
            process.kill()
            process.join()
            connection.close()


def _start(work: Callable[[Any], Any], items: Sequence[Any]) -> tuple[BaseProcess, Connection]:
    """A process at work on the items, and where its results come from."""
    linux = sys.platform.startswith("linux")
    context = multiprocessing.get_context("fork") if linux else multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with theirs:  # closed here, or its end would not be noticed
        process = context.Process(target=_run, args=(work, items, theirs, os.getpid()), daemon=True)
        process.start()
    return process, ours


def _run(work: Callable[[Any], Any], items: Sequence[Any], connection: Connection, parent: int) -> None:
    """Leave Ctrl-C to the parent, end when told to, do not outlive it, and send result after result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.SIG_DFL)
    die_with_parent(parent)
    try:
        for item in items:
            send(connection, (work(item), None))
    except Exception as error:
        send(connection, (None, sendable(error)))


def _next(process: BaseProcess, connection: Connection, what: str) -> Any:
    try:
        result, error = receive(connection)
    except (EOFError, OSError):
        process.join()
        if process.exitcode in (-signal.SIGTERM, -signal.SIGHUP):
            raise KeyboardInterrupt from None  # sent to the whole group, and this one is next
        raise InputError(
            f"a process that {what} was killed, perhaps for want of memory: try again with fewer at a time, "
            "or free some memory"
        ) from None
    if error is not None:
        raise error
    return result
