"""How a process keeps memory that it has given back. Light: no torch."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = 2**31 - 1  # mallopt takes an int


def keep_freed_memory() -> bool:
    """Let glibc reuse freed blocks instead of returning them to the system; whether that was done.

    A training step on CPU allocates the same large tensors again and again. By default every block above
    some megabytes is mapped and unmapped each time, and the system then clears each of its pages anew.
    Results do not change; the process keeps its peak of memory until it ends. Without glibc nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        libc = ctypes.CDLL(None)
        done = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST) and libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST)
    except (OSError, AttributeError):
        return False
    return bool(done)
