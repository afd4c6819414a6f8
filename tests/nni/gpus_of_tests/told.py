"""Machines with pretended GPUs, and what trials there were given."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOTED = "import os,sys,time; print(sys.argv[1], os.environ['CUDA_VISIBLE_DEVICES'], time.time(), flush=True)"
COMMAND = f'python -c "{NOTED}" starts && python phase_trial.py && sleep 1 && python -c "{NOTED}" ends'


def on_machine(project: Any, gpus: int, busy: bool = False, visible: str | None = None) -> Path:
    """Put the project on a machine with so many GPUs; the file in which those that ask for them say so."""
    names = {name: str(project.folder / name.lower()) for name in ("ASKED", "BUSY")}
    if busy:
        Path(names["BUSY"]).touch()
    Path(names["ASKED"]).touch()
    project.environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        project.environment["CUDA_VISIBLE_DEVICES"] = visible
    place = str(Path(__file__).parent)
    project.environment.update(names, PYTHONPATH=place, GPUS=str(gpus), HOLDER=str(os.getpid()))
    return Path(names["ASKED"])


def asked_at_most_one(asked: Path) -> None:
    """No process has asked for GPUs while another did; the last one may be at it."""
    lines = asked.read_text().splitlines()
    words = [line.split()[0] for line in lines]
    assert words == (["begins", "ends"] * len(words))[: len(words)], lines


def told(
    where: subprocess.Popen[str] | Path | Callable[[], Any], pattern: str, seconds: float
) -> re.Match[str]:
    """Wait until a process's output or a file says what matches, or something else is there; what matches."""
    deadline, lines = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        if isinstance(where, subprocess.Popen):
            assert where.stdout is not None and where.stderr is not None
            line = where.stdout.readline()
            if not line and where.poll() is not None:
                pytest.fail(lines + where.stderr.read())
            lines += line
        elif isinstance(where, Path):
            lines = where.read_text() if where.exists() else ""
        elif where():
            lines = "\n"
        if lines and (match := re.search(pattern, lines)):
            return match
        if not isinstance(where, subprocess.Popen):
            time.sleep(0.2)
    pytest.fail(f"not told in {seconds:.0f} s: {pattern}\n{lines}")


def spans(folder: Path, step: str = "") -> list[tuple[str, float, float]]:
    """Of each trial (of a step) its GPU, when it began and when it ended."""
    found = []
    for output in folder.glob(f"environments/*/trials/{step}*/trial.stdout"):
        times = re.findall(r"^(?:starts|ends) (\S+) ([\d.]+)$", output.read_text(), re.M)
        (gpu, begun), (_, ended) = times
        found.append((gpu, float(begun), float(ended)))
    return sorted(found)
