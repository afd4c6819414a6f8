"""The processes of an NNI experiment on this machine, also those that have lost their manager."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil


def manager_of(folder: Path) -> psutil.Process | None:
    """NNI's manager of the experiment in `folder`, if it is alive: it runs the search, or shows its page."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if "--experiment-id" not in words[:-1] or "--experiments-directory" not in words[:-1]:
                continue
            id = words[words.index("--experiment-id") + 1]
            place = Path(words[words.index("--experiments-directory") + 1])
            if id == folder.name and (place / id).resolve() == folder.resolve():
                return process
    return None


def port_of(manager: psutil.Process) -> str | None:
    """The port of a manager's page."""
    with contextlib.suppress(psutil.Error):
        words = manager.cmdline()
        if "--port" in words[:-1]:
            return str(words[words.index("--port") + 1])
    return None


def members_of(folder: Path) -> set[psutil.Process]:
    """Trials of the experiment in `folder`, their children, its tuner and its warm process.

    They are told by their environment, or by the warm process's folder in their command, which its forks
    have too. When a manager is killed outright they go on without it.
    """
    place = folder.resolve()
    warm = str(place / "warm")
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if warm in process.cmdline():
                found.add(process)
                continue
            environment = process.environ()
            for key in ("NNI_OUTPUT_DIR", "NNI_LOG_DIRECTORY"):
                if environment.get(key) and place in Path(environment[key]).resolve().parents:
                    found.add(process)
    return found


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and wait until they are gone."""
    ended = list(processes)
    for process in ended:
        with contextlib.suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + 5
    while any(map(_works, ended)) and time.monotonic() < deadline:
        time.sleep(0.02)
    psutil.wait_procs(ended, timeout=0)  # reaps children; another process's may take their parent seconds


def _works(process: psutil.Process) -> bool:
    """Whether a process is more than its entry in the list of processes."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
