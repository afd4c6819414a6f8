"""How many CPU threads a process computes with, and how they wait for one another. Light: no torch.

A net's step is thousands of short pieces, at whose ends all threads wait for the last. OpenMP lets them spin,
which is fastest on an idle machine. Where something else uses a core, the spinning threads use up their share
of it, and the one that all wait for gets its turn milliseconds later: an epoch takes several times as long.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

# What a container may use, in the second and the first version of Linux's groups.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_FIRST_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_FIRST_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def wait_asleep(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads sleep while they wait, unless the user has said otherwise.

    OpenMP reads this once, when torch is imported: it must be said before.
    """
    if "GOMP_SPINCOUNT" not in environment and "KMP_BLOCKTIME" not in environment:
        environment.setdefault("OMP_WAIT_POLICY", "passive")


def default_threads(processes: int = 1) -> int:
    """Threads of each of so many processes where a recipe names none: ``OMP_NUM_THREADS`` where it is set.

    Else one core is left to loader processes, to NNI and to whatever else runs, and the others are shared.
    """
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if said.isdecimal() and int(said):
        return int(said)
    return max(1, (usable_cores() - 1) // processes)


def within_cores(threads: int, key: str) -> int:
    """So many threads as a recipe's ``key`` asks for, or as this machine has cores where those are fewer.

    The latter is told, once: a recipe may be for a larger machine, and threads without a core of their own
    only wait for one another.
    """
    cores = usable_cores()
    if threads <= cores:
        return threads
    if (threads, key) not in _told:
        _told.add((threads, key))
        text = (
            f"{key} is {threads}, and this machine has {cores} core{'s' * (cores > 1)} to use: {cores} it is"
        )
        print(text, file=sys.stderr, flush=True)
    return cores


_told: set[tuple[int, str]] = set()


def usable_cores() -> int:
    """Cores that this process may use: of the machine, and within its container's limit, rounded down."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    try:
        if _QUOTA.exists():
            quota, period = _QUOTA.read_text().split()
        else:
            quota, period = _FIRST_QUOTA.read_text(), _FIRST_PERIOD.read_text()
        return max(1, int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such group, or "max"
        return None
