"""What a machine is asked over SSH that runs trials of a search (``remote.cjs``).

``python -m autostr_nni.nni.remote.machine about``, ``… prepare EXPERIMENT ENVIRONMENT`` and
``… end EXPERIMENT ENVIRONMENT``; an environment is NNI's word for a machine of an experiment.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from autostr_nni import __version__
from autostr_nni.nni.experiment.gpus import count_gpus
from autostr_nni.nni.manager import processes

PRELOAD = Path(__file__).parents[1] / "manager" / "mended" / "preload.cjs"


def main(argv: Sequence[str] | None = None) -> int:
    """``prepare`` and ``end`` end what the experiment has left running here; all but ``end`` print JSON."""
    asked, *place = sys.argv[1:] if argv is None else argv
    if asked != "about":
        end_left(environment_folder(*place))
    if asked != "end":
        print(json.dumps(about()))
    return 0


def about() -> dict[str, str | int]:
    """Versions, GPUs, and the file that mends NNI's part on a machine."""
    versions = {"autostr_nni": __version__, "nni": version("nni")}
    return {**versions, "preload": str(PRELOAD), "gpus": count_gpus()}


def environment_folder(experiment: str, environment: str) -> Path:
    """Where NNI keeps the files of a machine's trials, on that machine."""
    return Path.home() / "nni-experiments" / experiment / "environments" / environment


def end_left(folder: Path) -> None:
    """Kill the trials below ``folder``, their children, and NNI's process that keeps them."""
    processes.end(processes.members_of(folder) | _keepers(folder))


def _keepers(folder: Path) -> set[psutil.Process]:
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            mine = any(Path(word).parent == folder and "trial_keeper" in word for word in words[1:])
            # The keeper itself asks at its end, and who speaks of one is not one.
            if mine and process.pid != os.getppid() and "main.js" in " ".join(words):
                found.add(process)
    return found


if __name__ == "__main__":
    sys.exit(main())
