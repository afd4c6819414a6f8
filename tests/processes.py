"""Processes that tests look for. One that ends while it is looked at is not there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil


def at_home(home: str | Path) -> list[psutil.Process]:
    """All other processes that are alive with this HOME."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            same = process.pid != os.getpid() and process.environ().get("HOME") == str(home)
            if same and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def words_of(process: psutil.Process) -> list[str]:
    """The command of a process; no word where it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def with_word(processes: list[psutil.Process], word: str) -> psutil.Process:
    """The first one that has the word in its command."""
    for process in processes:
        if word in words_of(process):
            return process
    raise AssertionError(f"no process with {word}")
