"""A halving search with real trainings: promoted nets go on from their own checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import load_recipe
from autostr_nni.report.reading.in_process import read_in_process
from autostr_nni.runs.layout import BEST, CLIMBED, LAST, RESULT
from autostr_nni.runs.records import read_metrics
from autostr_nni.strategies import build
from autostr_nni.training.going_on.continuing import checkpoint_of
from autostr_nni.training.going_on.promotion import _below, climb
from autostr_nni.training.run_trial import run_proposal
from tests.inprocess.trial_by_trial import stopped_after_every_trial

HALVING = {"nets": 2, "reduction": 2, "rungs": [1, 2, 4], "lookback": 2}


@pytest.fixture(scope="module")
def search_file(tiny_search, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("halving")
    return tiny_search(folder, search={"halving": HALVING}, training={"epochs": 4})


@pytest.fixture(scope="module")
def found(search_file: Path, tmp_path_factory) -> tuple[dict[str, Any], Path]:
    recipe = load_recipe(search_file.parent / "recipe.yml")
    folder = tmp_path_factory.mktemp("found")
    return run_search(build("halving", recipe), recipe, folder, log=lambda line: None), folder


def without_seconds(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_a_net_that_climbed_is_the_net_that_was_trained_at_once(found, search_file, tmp_path) -> None:
    summary, folder = found
    best = folder / "trials" / summary["best"]["trial"]
    assert (best / CLIMBED).exists()
    parameters = json.loads((best / RESULT).read_text())["parameters"]
    assert parameters["step"] == "train"
    recipe = load_recipe(search_file.parent / "recipe.yml")
    run_proposal(parameters, recipe, tmp_path / "alone", lambda metrics, final: None)
    assert without_seconds(read_metrics(best)) == without_seconds(read_metrics(tmp_path / "alone"))
    mine, theirs = (torch.load(place / BEST)["weights"] for place in (best, tmp_path / "alone"))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert (best / RESULT).read_text().count("numbers") == 1  # the test set, scored once at the top


def test_every_image_counts_once(found, search_file) -> None:
    _, folder = found
    recipe = load_recipe(search_file.parent / "recipe.yml")
    history = read_in_process(folder)
    assert history.strategy == "halving" and history.state == "finished"
    images = sum(trial.spent("images_seen") for trial in history.trials)
    per_epoch = history.trials[0].spent("images_seen")
    assert {trial.step for trial in history.trials} == {"rung", "train"}
    assert images <= 2 * recipe.training.epochs * per_epoch
    assert images > 1.5 * recipe.training.epochs * per_epoch
    climbed = [trial for trial in history.trials if trial.climbed]
    assert climbed and all(trial.before("images_seen") >= per_epoch for trial in climbed)


def test_stopped_after_every_trial_it_ends_alike(found, search_file, tmp_path) -> None:
    summary, _ = found
    recipe = load_recipe(search_file.parent / "recipe.yml")
    again = stopped_after_every_trial("halving", recipe, tmp_path / "s")

    def plain(found: dict[str, Any]) -> list[tuple[Any, ...]]:
        keys = ("trial", "architecture", "word_accuracy", "loss", "images_seen")
        return [tuple(row[key] for key in keys) for row in found["architectures"]]

    assert plain(again) == plain(summary)
    assert again["trials"] == summary["trials"]


def test_with_a_proxy_the_winner_is_trained_without_it(tiny_search, tmp_path) -> None:
    halving = {"nets": 2, "reduction": 2, "rungs": [1, 2], "lookback": 1}
    search = {"halving": halving, "proxy": {"translator": "ctc"}}
    tiny_search(tmp_path, search=search, training={"epochs": 2}, data={"max_length": 2})
    recipe = load_recipe(tmp_path / "recipe.yml")
    summary = run_search(build("halving", recipe), recipe, tmp_path / "s", log=lambda line: None)
    assert [row["trial"] for row in summary["architectures"]] == ["train"]
    weights = torch.load(tmp_path / "s" / "trials" / "train" / BEST)["weights"]
    assert "decoder.gru.weight_ih" in weights
    proxy = torch.load(tmp_path / "s" / "trials" / "halving-001" / BEST)["weights"]
    assert "decoder.gru.weight_ih" not in proxy


def test_a_damaged_checkpoint_below_is_not_gone_on_from(found, search_file, tmp_path, monkeypatch) -> None:
    """A lower rung may still serve; with none of them the trial's own images are all that it trained."""
    _, folder = found
    trials = tmp_path / "trials"
    shutil.copytree(folder / "trials", trials)
    best = trials / found[0]["best"]["trial"]
    parameters = json.loads((best / RESULT).read_text())["parameters"]
    below = sorted(_below(best, parameters))
    assert len(below) == 2
    for epochs, place in reversed(below):
        shutil.rmtree(best)
        best.mkdir()
        assert climb(best, parameters) == place
        assert json.loads((best / CLIMBED).read_text())["epochs"] == epochs
        (place / LAST).write_bytes(b"half")
    shutil.rmtree(best)
    best.mkdir()
    assert climb(best, parameters) is None and not (best / CLIMBED).exists()
    (best / CLIMBED).write_text('{"images_seen": 9}')  # of a checkpoint that was damaged afterwards
    (best / LAST).write_bytes(b"half")
    assert checkpoint_of(best) is None and not (best / CLIMBED).exists()
