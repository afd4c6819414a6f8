"""NNI's list of experiments, which several searches write at once. For managers: `mended/listing.cjs`.

NNI looks whether another holds the list and then locks it: two that look at the same moment both write, and
one experiment is lost. Here it is locked first and looked at after that: one of two always sees the other.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.stored import REGISTRY
from autostr_nni.system.files import write_atomic

STALE = 2.0  # seconds after which NNI takes a lock for one of a process that has died


def is_fresh(lock: str) -> bool:
    """Whether there is a lock that is not older than a living process leaves it."""
    try:
        return time.time() - os.stat(lock).st_mtime < STALE
    except OSError:
        return False


def held_by_others(mine: str) -> bool:
    """Whether there are locks of other processes beside one's own, ``LIST.lock.PID``."""
    names = glob.glob(f"{glob.escape(mine.rpartition('.')[0])}.*")
    return any(name != mine and is_fresh(name) for name in names)


@contextlib.contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Within, NNI keeps its list of experiments in ``folder``; its manager is told by AUTOSTR_LIST."""
    from nni.experiment import launcher

    before = launcher.Experiments
    launcher.Experiments = lambda: experiment_list(folder)
    os.environ["AUTOSTR_LIST"] = str(folder)
    try:
        yield
    finally:
        launcher.Experiments = before


def experiment_list(folder: Path) -> Any:
    """NNI's list of experiments in a folder, locked as said above and written in one piece."""
    from nni.tools.nnictl.common_utils import SimplePreemptiveLock
    from nni.tools.nnictl.config_utils import Experiments

    class Lock(SimplePreemptiveLock):  # type: ignore[misc]  # NNI has no types
        def _acquire(self) -> None:  # tried again and again until it holds the lock
            mine = self._lock_file_name
            if os.path.exists(mine) and not is_fresh(mine):  # of a dead process that had this one's number
                os.remove(mine)
            super()._acquire()
            if self._lock_file_fd is not None and held_by_others(mine):
                self._release()
                time.sleep(random.uniform(0, 0.1))  # two that gave way must not try again together

    class List(Experiments):  # type: ignore[misc]
        def __init__(self) -> None:  # NNI's own reads the list at once, under the lock that is mended here
            folder.mkdir(parents=True, exist_ok=True)
            self.experiment_file = str(folder / REGISTRY)
            self.lock = Lock(self.experiment_file + ".lock", stale=STALE)
            self.experiments: dict[str, Any] = {}

        def write_file(self) -> None:
            write_atomic(Path(self.experiment_file), json.dumps(self.experiments, indent=4))

    return List()
