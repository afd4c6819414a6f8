"""A search on two machines over SSH: right rows, files brought back, nothing left; and a machine is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    """NNI's record of each trial: the parameters that it was started with."""
    with sqlite3.connect(folder / "db" / "nni.sqlite") as base:
        found = base.execute("SELECT trialJobId, data FROM TrialJobEvent WHERE data LIKE '{%'").fetchall()
    return {trial: json.loads(data)["parameters"] for trial, data in found}


def check_trials(folder: Path, machines: list[Any]) -> dict[str, dict[str, Any]]:
    """Each trial ran what NNI's row says, and what it left is here as it is on its last machine."""
    rows = rows_of(folder)
    for trial, parameters in rows.items():
        here = folder / "trials" / trial
        names = {path.name for path in here.iterdir()}
        assert {"metrics.jsonl", "architecture.json", "last.ckpt", "result.json", "trial.stdout"} <= names
        assert not [name for name in names if name.endswith(".part")]
        ran = json.loads((here / "parameters.json").read_text())["parameters"]
        assert ran == parameters == json.loads((here / "result.json").read_text())["parameters"]
        there = [
            machine.trials(folder.name)[trial] for machine in machines if trial in machine.trials(folder.name)
        ]
        assert (here / "last.ckpt").read_bytes() in [(place / "last.ckpt").read_bytes() for place in there]
    return rows


def test_a_search_on_two_machines(remote_search: Any, machines: list[Any]) -> None:
    started = remote_search.start()
    output, errors = started.communicate(timeout=300)
    assert started.returncode == 0, errors + remote_search.log()
    result = json.loads(output)
    assert result["status"] == "DONE" and result["failed"] == [] and result["trials"] == 4
    folder = Path(result["folder"])
    rows = check_trials(folder, machines)
    assert sorted(row["step"] for row in rows.values()) == ["operators", "path", "path", "train"]
    assert {row["stride_path"] for row in result["paths"]} == {"AABBB", "ABABB"}
    assert result["best"]["architecture"] == result["found"]
    assert result["best"]["test"]["numbers"]["words"] == 24
    assert (Path(result["best"]["folder"]) / "best.ckpt").is_file()
    assert all(machine.trials(folder.name) for machine in machines)  # both have worked
    port = int(result["page"].rstrip("/").rpartition(":")[2])
    assert remote_search.processes() == []
    assert [process for machine in machines for process in machine.processes()] == []
    assert not [c for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN"]


def until(condition: Any, seconds: float, started: Any) -> Any:
    """What `condition` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


@pytest.mark.faults
def test_a_machine_is_lost(remote_search: Any, machines: list[Any]) -> None:
    """The power cut comes in the operator search, which goes on elsewhere from its last epoch."""
    recipe = remote_search.config.with_name("recipe.yml")
    content = yaml.safe_load(recipe.read_text())
    content["search"]["operators"].update(epochs=12)
    recipe.write_text(yaml.safe_dump(content))
    started = remote_search.start()
    folder = until(
        lambda: [path.parent for path in remote_search.experiments.glob("*/trials")], 240, started
    )[0]

    def operators() -> tuple[str, Any] | None:
        """The operator search, once some of its epochs have been fetched, and its machine."""
        trial = next((id for id, row in rows_of(folder).items() if row["step"] == "operators"), None)
        metrics = folder / "trials" / str(trial) / "metrics.jsonl"
        if trial is None or not metrics.is_file() or len(metrics.read_text().splitlines()) < 3:
            return None
        return trial, next(machine for machine in machines if trial in machine.trials(folder.name))

    trial, lost = until(operators, 240, started)
    lost.kill()
    output, errors = started.communicate(timeout=400)
    assert started.returncode == 0, errors + remote_search.log()
    result = json.loads(output)
    other = next(machine for machine in machines if machine is not lost)
    assert result["status"] == "DONE" and result["failed"] == [] and result["trials"] == 4
    rows = check_trials(folder, machines)
    assert len(rows) == 4 and trial in other.trials(folder.name)
    assert f"Trial {trial} goes on from its last checkpoint on machine {other.address}" in remote_search.log()
    lines = (folder / "trials" / trial / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(13))
    # What the machine had begun before it was lost was not begun again on the other.
    assert "epoch" in lines[0] and json.loads(lines[-1])["images_seen"] > 0
    assert remote_search.processes() == [] and other.processes() == []
