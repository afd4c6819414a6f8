"""Two searches of one user at the same time, on ports of their own finding, in one folder of experiments."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.slow("runs NNI, twice at a time")

WAIT = """
import pathlib, time
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.1)
"""


@pytest.fixture
def pair(project: Any, tmp_path: Path) -> list[Any]:
    """Two projects with one home and one folder of experiments."""
    made = [type(project)(tmp_path / name) for name in ("first", "second")]
    for one in made:
        one.environment = project.environment
        one.experiments = project.experiments
    return made


def write(one: Any, **options: Any) -> None:
    one.write(concurrency=2, experimentWorkingDirectory=str(one.experiments), **options)


def check(one: Any, result: dict[str, Any], trials: int) -> None:
    """The search has its own rows, and they are what its trials ran."""
    assert result["status"] == "DONE" and result["failed"] == []
    paths = [f"P{index:02d}" for index in range(trials)]
    assert sorted(row["stride_path"] for row in result["paths"]) == paths
    assert result["best"]["stride_path"] == paths[-1]
    ran = one.ran(result["experiment"])
    assert sorted((mine["step"], mine["stride_path"]) for mine in ran.values()) == [
        *(("path", path) for path in paths),
        ("train", paths[-1]),
    ]
    for row in [*result["paths"], result["best"]]:
        assert ran[row["trial"]]["stride_path"] == row["stride_path"]
        assert Path(row["folder"]).is_relative_to(one.experiments / result["experiment"])


def test_both_end_rightly(pair: list[Any], project: Any) -> None:
    for one, trials in zip(pair, (2, 3), strict=True):
        write(one, trials=trials)
    started = [one.autostr("--json") for one in pair]
    results = []
    for one, search, trials in zip(pair, started, (2, 3), strict=True):
        output, errors = search.communicate(timeout=240)
        assert search.returncode == 0, errors
        results.append(json.loads(output))
        check(one, results[-1], trials)
    assert results[0]["experiment"] != results[1]["experiment"] and results[0]["page"] != results[1]["page"]
    assert project.processes() == []
    listed = json.loads((project.experiments / ".experiment").read_text())  # NNI's list of experiments
    assert {result["experiment"] for result in results} <= listed.keys()


def test_one_is_stopped_and_the_other_goes_on(pair: list[Any], project: Any, tmp_path: Path) -> None:
    stopped, other = pair
    gate = tmp_path / "gate"
    write(stopped, trials=2, hang=True)
    write(other, trials=2)
    trial = other.folder / "phase_trial.py"
    trial.write_text(WAIT.format(gate=str(gate)) + trial.read_text())
    started = [one.autostr("--json") for one in pair]
    deadline = time.monotonic() + 120
    while any(trials_in(one, project) < 2 for one in pair):  # both run two trials
        ended = [search for search in started if search.poll() is not None]
        assert not ended, ended[0].communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    others = {process for process in project.processes() if belongs(process, other, started[1].pid)}
    started[0].send_signal(signal.SIGTERM)
    started[0].communicate(timeout=60)
    assert started[0].returncode == 130
    left = set(project.processes())
    assert len(others) >= 5 and left == others  # command, manager, tuner and two trials
    gate.touch()
    output, errors = started[1].communicate(timeout=120)
    assert started[1].returncode == 0, errors
    check(other, json.loads(output), 2)
    assert project.processes() == []


def trials_in(one: Any, project: Any) -> int:
    """How many trials of a project are running."""
    found = 0
    for process in project.processes():
        try:
            found += process.cwd() == str(one.folder) and "phase_trial.py" in process.cmdline()
        except psutil.Error:
            continue
    return found


def belongs(process: psutil.Process, one: Any, command: int) -> bool:
    """Whether a process was started, directly or not, by the command of a project."""
    try:
        return process.pid == command or command in [parent.pid for parent in process.parents()]
    except psutil.Error:
        return False
