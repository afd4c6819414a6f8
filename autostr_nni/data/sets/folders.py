"""Folders of sets that appear whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autostr_nni.system.errors import InputError
from autostr_nni.system.files import told_if_full

DATA_FILE = "data.mdb"
#: What a set made here was made of, beside its data.
NOTE_FILE = "set.json"
_NEW = 60.0  # seconds in which a folder that was made is locked
_OWN_FILES = {DATA_FILE, "lock.mdb", NOTE_FILE}


class AlreadyThere(InputError):
    """The folder holds a set."""


def is_partial(name: str) -> bool:
    """Whether a folder's name is that of an unfinished or replaced set."""
    return name.startswith(".") and (".partial-" in name or ".old-" in name)


@contextmanager
def new_folder(folder: str | os.PathLike[str], force: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, else vanishes.

    With ``force`` a set that is already there is replaced, but never a folder that holds other files.
    """
    target = Path(os.path.realpath(folder))  # what a link names is made or replaced, and the link stays
    _check_free(target, force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name}.partial-"
        _sweep(target.parent, prefix)
        partial = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from None
    handle = os.open(partial, os.O_RDONLY)
    _lock(handle)
    try:
        partial.chmod(0o777 & ~_umask())
        with told_if_full(target.parent):
            yield partial
        _check_free(target, force)  # somebody else may have finished the same set meanwhile
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
            target.rename(old)
            partial.rename(target)
            shutil.rmtree(old)
        else:
            partial.rename(target)
    finally:
        os.close(handle)
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what killed processes left unfinished: gigabytes of a large set. Those at work hold theirs."""
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                new = time.time() - os.fstat(handle).st_mtime < _NEW
                if not new and _lock(handle):
                    shutil.rmtree(left)
            finally:
                os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a folder; False where another process does, or its file system knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_free(target: Path, force: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file: name a folder for the set")
    inside = {entry.name for entry in target.iterdir()}
    if inside - _OWN_FILES:
        raise InputError(f"{target} holds other files ({min(inside - _OWN_FILES)}): name a new folder")
    if inside and not force:
        raise AlreadyThere(f"{target} already holds a set: name a new folder or replace it with --force")


def _is_others(name: str) -> bool:
    """Whether no set is looked for in a folder: an unfinished one, or the system's own on a disk."""
    return is_partial(name) or name == "lost+found"


def has_sets(root: Path) -> bool:
    """Whether there is a set at or under a folder."""
    with suppress(InputError):
        return bool(find_sets(root))
    return False


def find_sets(root: str | os.PathLike[str]) -> list[Path]:
    """All set folders at or under ``root``, sorted. ``InputError`` says what is missing."""
    root = Path(root)
    try:
        root.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{root} cannot be opened ({reason}): give the path of a word image set") from None
    if not root.exists():
        raise InputError(f"the folder {root} does not exist: give the path of a word image set")
    if not root.is_dir():
        raise InputError(f"{root} is a file: give the folder that holds {DATA_FILE}")

    def refuse(error: OSError) -> None:
        raise InputError(f"the folder {error.filename} cannot be opened ({error.strerror})") from None

    found: list[Path] = []
    seen: set[str] = set()
    for folder, inner, files in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        inner[:] = [] if real in seen else sorted(name for name in inner if not _is_others(name))
        if DATA_FILE in files and real not in seen:
            found.append(Path(folder))
        seen.add(real)
    if not found:
        raise InputError(f"no word image set (a folder with {DATA_FILE}) at or under {root}")
    return sorted(found)
