"""A file that one process at a time holds. The hold goes with the process, however that ends. Light."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_held: set[IO[str]] = set()


class Taken(Exception):
    """Another process holds the file."""


def _let_go() -> None:
    for file in _held:
        file.close()
    _held.clear()


# Loader processes inherit what is open: a search that was killed would seem to run on in them.
os.register_at_fork(after_in_child=_let_go)


def _take(file: IO[str]) -> bool:
    """Lock a file; False where another process holds it, and not only looks whether it is held."""
    for pause in (0.001, 0.01, 0.1, None):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if pause is not None:
                time.sleep(pause)
    return False


@contextmanager
def hold(path: Path, wait: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold a file, which is made where it is missing.

    Args:
        wait: called once where another process holds it, before waiting for that; None: not waited for.

    Raises:
        Taken: another process holds it.
        OSError: there can be no such file.
    """
    with path.open("a", encoding="utf-8") as file:
        if not _take(file):
            if wait is None:
                raise Taken(str(path)) from None
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        _held.add(file)
        try:
            yield
        finally:
            _held.discard(file)


def is_held(path: Path) -> bool:
    """Whether another process holds a file; False where there is none."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
