"""`autostr resume`: a search that was killed outright goes on; what cannot go on is told in a sentence."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.processes import with_word

TRIALS = 6

# Leaves a line in runs.txt when it starts and when it ends; `hold` keeps trials from ending.
TRIAL = """
import json, os, time
import nni
from autostr_nni.nni.trial_side.parameters import own_parameter

mine = own_parameter()
def note(event):
    with open("runs.txt", "a") as file:
        trial = [event, os.environ["NNI_TRIAL_JOB_ID"], mine["stride_path"], mine["step"]]
        file.write(json.dumps(trial) + "\\n")
note("start")
nni.report_intermediate_result(dict(default=0.0, loss=100.0))
while os.path.exists("hold") and mine["stride_path"] not in ("P00", "P01"):
    time.sleep(0.05)
loss = 100.0 - int(mine["stride_path"][1:])
nni.report_final_result(dict(default=1 / loss, loss=loss, ran=mine["stride_path"]))
note("end")
"""


def notes(project: Any) -> list[list[str]]:
    path = project.folder / "runs.txt"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def autostr(project: Any, *arguments: str) -> subprocess.Popen[str]:
    return project.popen([sys.executable, "-m", "autostr_nni.cli.main", *arguments])


def refused(project: Any, *arguments: str) -> str:
    done = autostr(project, "resume", *arguments)
    _, errors = done.communicate(timeout=200)
    assert done.returncode == 2, errors
    assert len(errors.strip().splitlines()) == 1
    return errors


def wait(condition: Any, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    """Trial id, number and parameters by NNI's database, once per trial."""
    with closing(sqlite3.connect(folder / "db/nni.sqlite")) as base:
        return base.execute(
            "SELECT DISTINCT trialJobId, sequenceId, json_extract(data, '$.parameters.stride_path') "
            "FROM TrialJobEvent WHERE data LIKE '%parameter_id%'"
        ).fetchall()


@pytest.mark.slow("runs NNI")
def test_killed_in_the_middle_it_goes_on(project: Any) -> None:
    """Everything is killed while two trials run, twice; nothing that had ended is run again."""
    project.write(TRIALS, concurrency=2)
    (project.folder / "phase_trial.py").write_text(TRIAL)
    (project.folder / "hold").touch()
    started = project.autostr()
    assert started.stdout is not None
    page = next(line for line in started.stdout if line.startswith("page: "))
    experiment = re.search(r"experiment: (\w+)", page)[1]  # type: ignore[index]
    folder = project.experiments / experiment
    kept = folder / "autostr_state.json"

    def held() -> bool:  # two have ended and are noted, two are under way
        done = kept.is_file() and sum(
            trial["status"] == "done" for trial in json.loads(kept.read_text())["state"]["trials"]
        )
        return done == 2 and sum(note[0] == "start" for note in notes(project)) == 4

    wait(held)
    assert "is still running (page: http://127.0.0.1:" in refused(project, experiment)
    everything = project.processes()
    for process in everything:
        process.send_signal(signal.SIGKILL)
    started.communicate(timeout=100)
    wait(lambda: project.processes() == [])
    before = notes(project)

    # Killed a second time: the manager alone, so that trials and tuner are left without it.
    again = autostr(project, "resume", str(folder))
    wait(lambda: len(notes(project)) == len(before) + 2)
    manager = with_word(project.processes(), "--experiment-id")
    again.send_signal(signal.SIGKILL)
    manager.kill()
    again.communicate(timeout=100)

    (project.folder / "hold").unlink()
    last = autostr(project, "resume", experiment, "--json")
    output, progress = last.communicate(timeout=300)
    assert last.returncode == 0, progress
    result = json.loads(output)
    assert result["experiment"] == experiment and result["status"] == "DONE" and result["failure"] is None
    assert [row["stride_path"] for row in result["paths"]] == [f"P{i:02d}" for i in reversed(range(TRIALS))]
    assert result["best"]["stride_path"] == f"P{TRIALS - 1:02d}" and result["failed"] == []
    check_runs(notes(project), result)
    rows = rows_of(folder)
    assert len(rows) == len({row[0] for row in rows}) == len({row[1] for row in rows}) == TRIALS + 1
    ran = {trial: path for _, trial, path, _ in notes(project)}
    assert {trial: path for trial, _, path in rows} == ran
    assert project.processes() == []


def check_runs(notes: list[list[str]], result: dict[str, Any]) -> None:
    """Each trial ended once; only the two that were cut short started more than once, under their names."""
    starts = [tuple(note[1:]) for note in notes if note[0] == "start"]
    ends = [tuple(note[1:]) for note in notes if note[0] == "end"]
    assert len(ends) == len(set(ends)) and set(starts) == set(ends) and len(ends) == TRIALS + 1
    assert sorted(starts.count(run) for run in set(starts)) == [1] * (TRIALS - 1) + [3, 3]
    assert {row["trial"]: row["stride_path"] for row in [*result["paths"], *result["architectures"]]} == {
        trial: path for trial, path, _ in ends
    }
    assert len({(path, step) for _, path, step in ends}) == TRIALS + 1


def test_what_cannot_go_on(project: Any, tmp_path: Path) -> None:
    """Unknown searches, and folders that hold none: what is known is said."""
    known = project.experiments / "abcd1234" / "db"
    known.mkdir(parents=True)
    (known / "nni.sqlite").touch()
    assert (
        "there is no search abcd1235: no folder and no experiment is called so; did you mean abcd1234?"
        in refused(project, "abcd1235")
    )
    assert "zzz: no folder and no experiment is called so; known: abcd1234" in refused(project, "zzz")
    assert "is no search's folder; it holds abcd1234" in refused(project, str(project.experiments))
    (tmp_path / "empty").mkdir()
    assert "empty: is no search's folder\n" in refused(project, str(tmp_path / "empty"))
    assert "NNI's database cannot be used (no such table: ExperimentProfile)" in refused(project, "abcd1234")
