"""A two-step search with ladders and real trainings: what goes on goes on from its own checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import load_recipe
from autostr_nni.report.analysis import analyse
from autostr_nni.report.reading.in_process import read_in_process
from autostr_nni.runs.layout import CLIMBED
from autostr_nni.runs.records import read_metrics
from autostr_nni.strategies import build
from autostr_nni.training.run_trial import run_proposal
from tests.inprocess.trial_by_trial import stopped_after_every_trial

SEARCH: dict[str, Any] = {
    "path": {"epochs": 2, "rungs": [1, 2], "paths": ["AABBB", "ABABB", "BABAB"]},
    "operators": {"finalists": 3},
    "halving": {"rungs": [1, 3]},
}


@pytest.fixture(scope="module")
def search_file(tiny_search, tmp_path_factory) -> Path:
    return tiny_search(tmp_path_factory.mktemp("small"), search=SEARCH, training={"epochs": 3})


@pytest.fixture(scope="module")
def found(search_file: Path, tmp_path_factory) -> tuple[dict[str, Any], Path]:
    recipe = load_recipe(search_file.parent / "recipe.yml")
    folder = tmp_path_factory.mktemp("found")
    return run_search(build("two-step", recipe), recipe, folder, log=lambda line: None), folder


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_metrics(folder)]


def test_a_path_that_climbed_is_the_path_that_was_trained_at_once(found, search_file, tmp_path) -> None:
    _, folder = found
    climbed = [place for place in (folder / "trials").glob("path-*-2") if (place / CLIMBED).exists()]
    assert len(climbed) == 2
    parameters = json.loads((climbed[0] / "result.json").read_text())["parameters"]
    assert parameters["epochs"] == 2
    recipe = load_recipe(search_file.parent / "recipe.yml")
    run_proposal(parameters, recipe, tmp_path / "alone", lambda metrics, final: None)
    assert losses(climbed[0]) == losses(tmp_path / "alone")


def test_one_of_the_nets_is_trained_from_its_rung(found) -> None:
    summary, folder = found
    nets = sorted(place.name for place in (folder / "trials").glob("finalist-*"))
    assert nets == ["finalist-1-1", "finalist-2-1", "finalist-3-1"]
    texts = {(folder / "trials" / name / "architecture.json").read_text() for name in nets}
    assert len(texts) == 3  # all of them another net
    assert json.loads((folder / "trials/train" / CLIMBED).read_text())["from"] in nets
    assert summary["best"]["trial"] == "train" and len(summary["paths"]) == 3


def test_the_report_has_a_row_for_a_path_and_counts_every_image_once(found) -> None:
    _, folder = found
    history = read_in_process(folder)
    (search,) = analyse([history], draws=10)["searches"]
    rows = [(row["compared_after"], row["tied"] is None) for row in search["paths"]]
    assert rows == [(2, False), (2, False), (1, True)]  # one that was trained less is not compared by loss
    per_epoch = min(row["images"] for row in search["paths"])
    spent = sum(trial.spent("images_seen") for trial in history.trials if trial.step == "path")
    assert spent == 5 * per_epoch == sum(row["images"] for row in search["paths"])


def test_stopped_after_every_trial_it_ends_alike(found, search_file, tmp_path) -> None:
    summary, folder = found
    recipe = load_recipe(search_file.parent / "recipe.yml")
    again = stopped_after_every_trial("two-step", recipe, tmp_path)
    assert again["best"]["architecture"] == summary["best"]["architecture"]
    for place in (folder / "trials").iterdir():
        assert losses(tmp_path / "trials" / place.name) == losses(place)
