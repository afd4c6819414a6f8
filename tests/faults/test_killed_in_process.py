"""A search without NNI is killed and interrupted, and ends as one that nothing disturbed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_search import CHANGES, Search, findings, wait

from autostr_nni.cli.main import main

pytestmark = pytest.mark.faults

Fault = Callable[[str], Any]
KILLS, SEED = 25, 20


def timeless(value: Any, folder: Path) -> Any:
    """`value` without seconds, and with the search's folder left out of what names it."""
    if isinstance(value, dict):
        return {key: timeless(item, folder) for key, item in value.items() if key != "seconds"}
    if isinstance(value, list):
        return [timeless(item, folder) for item in value]
    return value.replace(str(folder), "") if isinstance(value, str) else value


def left(folder: Path) -> dict[str, Any]:
    """Everything that a search left behind as JSON, by file."""
    files = [*folder.glob("*.json"), *folder.glob("trials/*/*.json")]
    found: dict[str, Any] = {str(file.relative_to(folder)): json.loads(file.read_text()) for file in files}
    for file in folder.glob("trials/*/*.jsonl"):
        found[str(file.relative_to(folder))] = [json.loads(line) for line in file.read_text().splitlines()]
    return dict(timeless(found, folder))


def weights(folder: Path) -> dict[str, Any]:
    from autostr_nni.reading.checkpoint import load_trained

    return load_trained(folder / "trials" / "train" / "best.ckpt").recognizer.state_dict()


def test_killed_at_random_moments(
    tiny_search: Callable[..., Path], tmp_path: Path, fault: Fault, quiet_environment: dict[str, str]
) -> None:
    experiment = tiny_search(tmp_path, training={"epochs": 4}, search=CHANGES["search"])
    program = Path(__file__).with_name("killed_at_random.py")
    command = [sys.executable, str(program), str(experiment), str(tmp_path / "run"), str(KILLS), str(SEED)]
    with fault("kill-25") as row:
        done = subprocess.run(command, env=quiet_environment, capture_output=True, text=True)
        said = "".join(file.read_text()[-3000:] for file in tmp_path.glob("run*-said.txt"))
        assert done.returncode == 0, done.stderr + said
        kills = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(kills) == KILLS and not any(kill["ended"] for kill in kills), kills
        moments = [kill["at"] for kill in kills]
        saving = sum(what.startswith("saving") for what in moments)
        # In every kind of trial, in its training and as it saves.
        assert saving >= 3, moments
        assert {"path", "operators", "train"} <= {kill["in"].partition("-")[0] for kill in kills}, kills
        assert kills[0]["done"] < 0.2 * kills[0]["of"] and kills[-1]["done"] > 0.6 * kills[-1]["of"], kills
        assert left(tmp_path / "run") == left(tmp_path / "run-whole")
        mine, other = weights(tmp_path / "run"), weights(tmp_path / "run-whole")
        assert all((mine[name] == other[name]).all() for name in other)
        row.lost = (
            f"each time at most the epoch in flight ({saving} kills while saving); at the end the same "
            "architecture, metrics and weights"
        )


@pytest.mark.parametrize("name", ["kill", "term", "int"])
def test_ended_in_the_middle(search: Search, fault: Fault, tmp_path: Path, name: str) -> None:
    number = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}[name]
    assert main(["search", str(search.config), "--in-process", "--out", str(tmp_path / "whole")]) == 0
    place = tmp_path / "run"
    search.hold("operators-1-3")
    with fault(f"in-process-{name}") as row:
        runs = search.autostr("search", str(search.config), "--in-process", "--out", str(place))
        search.held("operators-1-3")
        assert len(search.processes()) > 1  # it has data workers
        runs.send_signal(number)
        said = search.ended(runs, -number if name == "kill" else 130)
        assert name == "kill" or "autostr: stopped; nothing is left running" in said
        assert "Traceback" not in said, said
        search.release("operators-1-3")
        wait(lambda: not search.processes(), 15)
        results = {file: file.stat().st_mtime_ns for file in place.glob("trials/*/result.json")}
        assert len(results) == 3
        search.ended(search.autostr("resume", str(place)), 0)
        assert (
            results.items() <= {f: f.stat().st_mtime_ns for f in place.glob("trials/*/result.json")}.items()
        )
        whole, mine = (json.loads((p / "summary.json").read_text()) for p in (tmp_path / "whole", place))
        assert findings(mine) == findings(whole)
        row.lost = "3 batches of the epoch in flight; 3 trials with a result kept"
