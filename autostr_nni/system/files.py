"""Files written whole or not at all, a full disk told in one sentence. Light: no torch."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from autostr_nni.system.errors import InputError

T = TypeVar("T")

#: A full disk, a used up quota, a file beyond the largest size that is allowed.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class NoSpace(InputError):
    """Nothing more can be written there: the user must free space, trying again is of no use."""


@contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """Turn a write that fails for lack of space into `NoSpace`, which names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        reason = (error.strerror or "no space").lower()
        raise NoSpace(
            f"{folder.absolute()}: nothing more can be written there ({reason}); free space and run it again"
        ) from error


def check_new_file(file: Path) -> None:
    """Raise InputError where no file can be written."""
    if file.is_dir():
        raise InputError(f"{file} is a folder: name a file")
    if not file.absolute().parent.is_dir():
        raise InputError(f"{file.parent} does not exist: make the folder, or name another file")
    if not os.access(file.absolute().parent, os.W_OK):
        raise InputError(f"{file.parent} cannot be written: name another file")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; it takes the name of ``path`` when the block ends well.

    It has the suffix of ``path``. A reader, or a restart after a power cut, sees the old content or the new.
    A block that fails leaves what was there before, and nothing of its own; what a killed process left of
    the same file is removed.

    Raises:
        NoSpace: the disk is full.
        OSError: the folder is missing or may not be written.
    """
    _sweep(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        with told_if_full(path.parent):
            yield temporary
            _flush(temporary)
            os.replace(temporary, path)
            _flush(path.parent)  # the new name must outlive a power cut too
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, text as UTF-8; its folder is made if it is missing."""
    with told_if_full(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Half a character, out of a damaged file, is written as JSON would have it.
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def previous_of(path: Path) -> Path:
    """Where the content that a file had before is kept: ``last.ckpt`` has ``last.previous.ckpt``."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def keep_previous(path: Path) -> None:
    """Keep what a file holds now as its previous content, when the new one is about to take its place.

    At any moment one of the two is there and whole.
    """
    previous, link = previous_of(path), path.with_name(f".{path.stem}.{os.getpid()}-link{path.suffix}")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)  # a rename would leave a moment without the file
    except FileNotFoundError:
        return
    except OSError:  # a file system without links
        os.replace(path, previous)
        return
    os.replace(link, previous)
    link.unlink(missing_ok=True)  # still there where both were the same file already


def write_state(path: Path, text: str, check: Callable[[Any], object]) -> None:
    """Replace a JSON file whole, and keep what it held as its previous content. Raises NoSpace.

    ``check`` is that of `find_state`: nothing damaged takes the place of a previous content that is whole.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if _checked(path, check) is not None:
            keep_previous(path)


def find_state(
    path: Path, check: Callable[[Any], T], previous_serves: str, nothing_serves: str
) -> tuple[T | None, str | None]:
    """What a file by `write_state` holds, else its previous content, else None; and a sentence if damaged.

    Args:
        check: makes of the parsed JSON what is wanted of it, and raises where it is not what was written.
        previous_serves, nothing_serves: how the sentence goes on, which says what is used instead.
    """
    if (content := _checked(path, check)) is not None:
        return content, None
    if (before := _checked(previous_of(path), check)) is not None:
        return before, f"{path} is damaged: {previous_serves}"
    there = path.exists() or previous_of(path).exists()
    return None, f"{path} is damaged: {nothing_serves}" if there else None


def _checked(path: Path, check: Callable[[Any], T]) -> T | None:
    try:
        return check(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError):
        return None


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(path: Path) -> None:
    """Remove what processes that are no more left of earlier writes."""
    prefix = f".{path.stem}."
    for old in path.parent.glob(f"{glob.escape(prefix)}*-*{glob.escape(path.suffix)}"):
        pid = old.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            with contextlib.suppress(OSError):
                old.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
