"""Reading files that somebody else wrote: not without a limit, and text as UTF-8."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from autostr_nni.system.errors import InputError

MEGABYTE = 1 << 20


def read_text(path: str | os.PathLike[str], most: int = MEGABYTE) -> str:
    """The text of a file, without a byte order mark.

    Args:
        path: of a file; a pipe with nobody at its other end counts as empty.
        most: bytes that the file may have.

    Raises:
        InputError: it is missing, a folder, unreadable, larger than `most`, or not UTF-8.
    """
    try:
        data = read_start(path, most + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > most:
        raise InputError(
            f"{path}: is larger than {most // MEGABYTE} MB, the most that is read of such a file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise InputError(f"{path}: is not UTF-8 text (line {line}, byte {error.start})") from None


def read_start(path: str | os.PathLike[str], most: int) -> bytes:
    """At most so many first bytes of a file or pipe. Raises OSError; ValueError for an odd name."""
    # Opening a pipe that nobody writes to would wait for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        os.close(handle)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    with os.fdopen(handle, "rb") as file:
        if stat.S_ISCHR(os.fstat(handle).st_mode):  # /dev/zero has no end, and a terminal waits
            raise OSError(errno.EINVAL, "it is a device")
        os.set_blocking(handle, True)
        return file.read(most)


def is_file(text: str) -> bool:
    """Whether a text names a file; one too long or too odd to be a name does not."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def fingerprint(path: str | os.PathLike[str]) -> str:
    """What tells a file's content from another's: the first 16 digits of its SHA-256.

    Raises:
        InputError: it is missing, no file, or unreadable.
    """
    if not is_file(os.fspath(path)):
        what = "is a folder; name the file in it" if os.path.isdir(path) else "there is no such file"
        raise InputError(f"{path}: {what}")
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(MEGABYTE):
                digest.update(part)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:16]
