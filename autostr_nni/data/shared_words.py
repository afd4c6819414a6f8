"""Decoded words in memory that processes share: each is decoded once for all trials of a search. Light.

Nothing is reserved before words come, and nothing is left when the last process that uses it has ended. A
process finds the memory where one that it was forked from had begun to keep words.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import psutil

_DIRECTORY = 1 << 16  # bytes at the front that say where the sets lie
_SHARE = 4  # the part of the free memory that one more set may take: a quarter
# What a container may use and what it does use, in the second and the first version of Linux's groups.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class KeptSet:
    """The words of one set that were decoded so far, at one size.

    Several processes may read and write at the same time: a word is marked only when all of it is there, and
    two that write the same one write the same bytes.
    """

    def __init__(self, memory: mmap.mmap, samples: int, image: tuple[int, int]) -> None:
        self._there = np.frombuffer(memory, np.bool_, samples)
        size = prod((samples, *image, 3))
        self._pixels = np.frombuffer(memory, np.uint8, size, _aligned(samples)).reshape(samples, *image, 3)

    def copy(self, numbers: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Put the pixels of samples (from 1) into ``out``; a mask of those that are there."""
        places = numbers - 1
        there: np.ndarray = self._there[places]
        if there.any():
            np.take(self._pixels, places, axis=0, out=out, mode="clip")  # "raise" would copy twice
        return there

    def keep(self, number: int, pixels: np.ndarray) -> None:
        """Keep the pixels of a sample."""
        self._pixels[number - 1] = pixels
        self._there[number - 1] = True


class DecodedWords:
    """Memory for sets, which processes that are forked from here share.

    Args:
        most: bytes for all sets together. A set that would take more than is left of them, or more than a
            quarter of the memory that is free, is not kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._file = os.memfd_create("autostr-decoded", os.MFD_CLOEXEC)
        os.ftruncate(self._file, _DIRECTORY)

    def set_of(self, key: str, samples: int, image: tuple[int, int]) -> KeptSet | None:
        """The place of a set that is the same for whoever names the same ``key``; None where it has none."""
        size = _aligned(samples) + prod((samples, *image, 3))
        try:
            with self._alone():
                start = self._place(f"{key} {samples} {image}", size)
            return None if start is None else KeptSet(self._map(start, size), samples, image)
        except (OSError, ValueError):  # no memory can be had: words are decoded as they come
            return None

    def close(self) -> None:
        """Begin no more sets; those in use stay until they are let go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a process that is not forked has no part in it

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.lockf(self._file, fcntl.LOCK_EX)  # the kernel frees it if the process is killed
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _place(self, key: str, size: int) -> int | None:
        text = os.pread(self._file, _DIRECTORY, 0).rstrip(b"\0")
        places: dict[str, int] = json.loads(text or b"{}")
        if key in places:
            return places[key]
        start = os.fstat(self._file).st_size
        written = json.dumps({**places, key: start}).encode()
        if (
            start - _DIRECTORY + size > self.most
            or size > free_memory() // _SHARE
            or len(written) > _DIRECTORY
        ):
            return None
        os.ftruncate(self._file, start + -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY)
        os.pwrite(self._file, written, 0)
        return start

    def _map(self, start: int, size: int) -> mmap.mmap:
        return mmap.mmap(self._file, size, mmap.MAP_SHARED, offset=start)


def _aligned(samples: int) -> int:
    return -(-samples // 64) * 64


def free_memory() -> int:
    """Bytes that can be had without taking them from others, within this container's limit."""
    free = int(psutil.virtual_memory().available)
    for limit, used in _GROUPS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
    return max(0, free)


_current: DecodedWords | None = None


def current() -> DecodedWords | None:
    """Where this process keeps decoded words, if it does."""
    return _current


def begin() -> None:
    """Have a place for words from here on, which processes that are forked share; as yet it holds none."""
    global _current
    if _current is None and hasattr(os, "memfd_create"):  # Linux
        _current = DecodedWords(0)


@contextlib.contextmanager
def keeping_decoded(most: int) -> Iterator[None]:
    """Within, sets that are opened keep their decoded words, in ``most`` bytes at the most.

    Where there is a place for words already, of this process or of the one that it was forked from, that one
    is used, and stays when the inner block ends.
    """
    global _current
    outer = _current
    begin()
    if _current is None:
        yield
        return
    before, _current.most = _current.most, most
    try:
        yield
    finally:
        _current.most = before
        if outer is None:
            _current.close()
            _current = None
