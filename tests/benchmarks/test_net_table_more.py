"""What is measured beside the table: step 1 on the nets' paths, and their latency."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from autostr_nni.latency.settings import Settings
from autostr_nni.search_spaces.architecture import Architecture
from benchmarks.net_table import analysis, latency, rows, step1, training
from benchmarks.net_table.simulation import random_search


@pytest.fixture
def texts() -> list[str]:
    return [row["architecture"] for row in rows.load()[:2]]


def test_step_1_trains_the_paths_of_nets_with_its_own_operation(texts: list[str]) -> None:
    space = training.recipe().space()
    for text in texts:
        net = Architecture.parse(text, space)
        default = step1.default_net(net)
        assert default.path == net.path and set(default.operations) == {"k3e1"}


def test_a_path_trained_before_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All are there; that none is missing is told by training, which fails here."""
    space = training.recipe().space()
    file = tmp_path / "step1.jsonl"
    trained = [row for row in rows.load() if row["group"] == "random" and row["seed"] == 0][:12]
    for place, row in enumerate(trained):
        text = step1.default_net(Architecture.parse(row["architecture"], space)).text
        loss = 9.0 - row["curve"][-1]["word_accuracy"]  # the better the net, the lower its path's
        curve = [{"loss": -loss, "training_loss": 0.0}, {"loss": loss, "training_loss": 0.0}]
        rows.append({"architecture": text, "seed": 0, "number": place, "curve": curve}, file)
    monkeypatch.setattr(step1, "prepare_data", lambda *_, **__: None)
    monkeypatch.setattr(step1, "train", None)
    monkeypatch.setattr(sys, "argv", ["step1", "--nets", "12", "--processes", "1", "--out", str(file)])
    assert step1.main() == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == [
        "step 1's loss at 1/9, 12 nets",
        "step 1's loss at 1/6, 12 nets",
    ]
    at_a_ninth, at_a_sixth = (float(line.split("tau ")[1].split()[0]) for line in told)
    assert at_a_ninth < -0.95 and at_a_sixth > 0.95  # nets that are equally good are a tie


def test_one_net_on_the_path_that_is_likeliest_to_be_good() -> None:
    """Of all nets there is one such path, whatever the seed; a drawn belief takes others."""
    nets = [row for row in rows.load() if row["group"] == "random" and row["seed"] == 0]
    everyone = len(nets)
    tests = {random_search(nets, 1, random.Random(seed), everyone, likeliest=True) for seed in range(9)}
    assert len(tests) == 1
    assert len({random_search(nets, 1, random.Random(seed), everyone) for seed in range(9)}) > 1
    lines = analysis.one_path(nets[:70], 3)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 1", "| 8", "| 64"]
    _, drawn, likeliest = lines[2].strip("|").split("|")
    assert drawn == likeliest  # of one net there is nothing to choose


def test_latency_has_every_net_once(texts: list[str], tmp_path: Path) -> None:
    file = tmp_path / "latency.json"
    assert latency.load(file) == {}
    found = latency.measure(texts, Settings(runtime="torch-cpu"), rounds=1)
    assert sorted(found) == sorted(texts) and all(0.01 < ms < 10_000 for ms in found.values())
    file.write_text(json.dumps({"ms": found}))
    assert latency.load(file) == found
