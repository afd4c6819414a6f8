"""Work shared by processes, its results in order; if one is killed, a sentence says so."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from autostr_nni.system.errors import InputError
from autostr_nni.system.lifeline import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

_work: list[Callable[[Any], Any]] = []  # of such a process


@contextmanager
def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, what: str
) -> Iterator[Iterator[Result]]:
    """The results of `work` for the items, in their order, made by so many processes (1: by this one).

    Raises InputError, which says that a process that did ``what`` was killed.
    """
    if processes == 1:
        yield map(work, items)
        return
    context = multiprocessing.get_context("fork" if sys.platform.startswith("linux") else "spawn")
    executor = ProcessPoolExecutor(processes, context, _start_process, (work, os.getpid()))
    try:
        yield executor.map(_call, items)
    except BrokenProcessPool:
        raise InputError(
            f"a process that {what} was killed, perhaps for want of memory: try again with fewer at a time, "
            "or free some memory"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)  # what is under way ends, the rest is left


def _start_process(work: Callable[[Any], Any], parent: int) -> None:
    """Keep the work, leave Ctrl-C to the parent, end when told to, and do not outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.SIG_DFL)
    die_with_parent(parent)
    _work[:] = [work]


def _call(item: Any) -> Any:
    return _work[0](item)
