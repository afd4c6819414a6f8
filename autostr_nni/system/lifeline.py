"""Processes that do not outlive the one that started them, however that ends. Light: no torch."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the one with the id ``parent``, which started it, is gone."""
    with contextlib.suppress(AttributeError, OSError):  # no Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel was told
        os._exit(128 + signal.SIGKILL)
