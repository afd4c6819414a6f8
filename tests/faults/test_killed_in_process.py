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
import torch
from fault_search import CHANGES, Search, findings, wait
from fault_strategies import STRATEGIES, experiment_of

from autostr_nni.cli.main import main
from autostr_nni.runs.layout import PULSE

pytestmark = pytest.mark.faults

Fault = Callable[[str], Any]
SEED = 20


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
    files = [file for file in files if file.name != PULSE]  # of time
    found: dict[str, Any] = {str(file.relative_to(folder)): json.loads(file.read_text()) for file in files}
    for file in folder.glob("trials/*/*.jsonl"):
        found[str(file.relative_to(folder))] = [json.loads(line) for line in file.read_text().splitlines()]
    return dict(timeless(found, folder))


def weights(folder: Path) -> dict[str, Any]:
    """All weights that its trials kept, by file and name."""
    files = [*folder.glob("trials/*/best.ckpt"), *folder.glob("trials/*/finalist-*.ckpt")]
    kept = {str(file.relative_to(folder)): torch.load(file)["weights"] for file in files}
    return {f"{file} {name}": tensor for file, net in kept.items() for name, tensor in net.items()}


def killed_at_random(experiment: Path, folder: Path, kills: int, environment: dict[str, str]) -> list[Any]:
    """Kill a search in `folder / "run"` so many times; where each kill struck, once it ended like another."""
    program = Path(__file__).with_name("killed_at_random.py")
    command = [sys.executable, str(program), str(experiment), str(folder / "run"), str(kills), str(SEED)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    said = "".join(file.read_text()[-3000:] for file in folder.glob("run*-said.txt"))
    assert done.returncode == 0, done.stderr + said
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == kills and not any(kill["ended"] for kill in found), found
    assert left(folder / "run") == left(folder / "run-whole")
    mine, other = weights(folder / "run"), weights(folder / "run-whole")
    assert mine.keys() == other.keys() and mine
    assert all(torch.equal(mine[name], other[name]) for name in other)
    return found


def test_killed_at_random_moments(
    tiny_search: Callable[..., Path], tmp_path: Path, fault: Fault, quiet_environment: dict[str, str]
) -> None:
    experiment = tiny_search(tmp_path, training={"epochs": 4}, search=CHANGES["search"])
    with fault("kill-25") as row:
        kills = killed_at_random(experiment, tmp_path, 25, quiet_environment)
        saving = sum(kill["at"].startswith("saving") for kill in kills)
        # In every kind of trial, in its training and as it saves.
        assert saving >= 3, kills
        assert {"path", "operators", "train"} <= {kill["in"].partition("-")[0] for kill in kills}, kills
        assert kills[0]["done"] < 0.2 * kills[0]["of"] and kills[-1]["done"] > 0.6 * kills[-1]["of"], kills
        row.lost = (
            f"each time at most the epoch in flight ({saving} kills while saving); at the end the same "
            "architecture, metrics and weights"
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_killed_at_random_moments(
    strategy: str,
    tiny_search: Callable[..., Path],
    tmp_path: Path,
    fault: Fault,
    quiet_environment: dict[str, str],
) -> None:
    kind = STRATEGIES[strategy]
    experiment = experiment_of(kind, tmp_path, tiny_search)
    with fault(f"kill-10-{strategy}") as row:
        kills = killed_at_random(experiment, tmp_path, 10, quiet_environment)
        struck = {kill["in"].partition("-")[0] for kill in kills}
        assert len(struck & kind.trials) >= min(2, len(kind.trials)), kills
        saving = sum(kill["at"].startswith("saving") for kill in kills)
        row.lost = (
            f"each time at most the epoch in flight ({saving} kills while saving); at the end the same "
            "files, figures and weights"
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
