"""A one-shot search with real trainings: what it leaves and costs, and that it ends alike after stops."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.report.reading.in_process import read_in_process
from autostr_nni.runs.layout import BEST, LAST, RANKED
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.strategies import build
from autostr_nni.system.errors import InputError
from autostr_nni.training.one_shot.ranking import Ranking, Scorer
from autostr_nni.training.run_trial import run_proposal
from autostr_nni.training.tasks import ReadingTask

ONE_SHOT = {"epochs": 3, "nets": 9, "population": 4, "recalibration": 12, "words": 10, "finalists": 2}
TOLD = ("seconds", "source")  # of time and place
SEARCH = {"one_shot": ONE_SHOT, "operators": {"budget_m": 1.0}}


def recipe_in(folder: Path, tiny_search: Any, **changes: Any) -> Recipe:
    tiny_search(folder, **{"search": SEARCH, "training": {"epochs": 2}, **changes})
    return load_recipe(folder / "recipe.yml")


def search(recipe: Recipe, folder: Path) -> dict[str, Any]:
    return dict(run_search(build("one-shot", recipe), recipe, folder, log=lambda line: None))


@pytest.fixture(scope="module")
def recipe(tiny_search, tmp_path_factory) -> Recipe:
    return recipe_in(tmp_path_factory.mktemp("one_shot"), tiny_search)


@pytest.fixture(scope="module")
def found(recipe: Recipe, tmp_path_factory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("found")
    return search(recipe, folder), folder


def outcome(folder: Path) -> dict[str, Any]:
    """All that a search left behind as JSON, without seconds and its own place."""
    found: dict[str, Any] = {}
    for file in [*folder.glob("*.json"), *folder.glob("trials/*/*.json*")]:
        lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
        found[str(file.relative_to(folder))] = [plain(json.loads(line), folder) for line in lines]
    return found


def plain(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: plain(item, folder) for key, item in value.items() if key not in TOLD}
    if isinstance(value, list):
        return [plain(item, folder) for item in value]
    return value.replace(str(folder), "") if isinstance(value, str) else value


def ranked(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "trials" / "ranking" / RANKED).read_text().splitlines()
    return [json.loads(line) for line in lines]


def weights(folder: Path, trial: str, name: str = BEST) -> dict[str, Any]:
    return dict(torch.load(folder / "trials" / trial / name)["weights"])


def test_the_best_of_the_ranking_are_trained_and_the_best_of_these_is_taken(found, recipe) -> None:
    summary, folder = found
    assert summary["failure"] is None and summary["trials"] == 4
    lines = ranked(folder)
    space = recipe.space()
    nets = [Architecture.parse(line["architecture"], space) for line in lines]
    assert len(set(nets)) == 9 and max(macs_of(net, space) for net in nets) <= 1_000_000
    lines.sort(key=lambda line: line["loss"])
    first = {line["architecture"] for line in lines[:2]}
    assert {row["architecture"] for row in summary["architectures"]} == first
    best = max(summary["architectures"], key=lambda row: (row["word_accuracy"], -row["loss"]))
    assert summary["best"]["architecture"] == best["architecture"]
    assert summary["best"]["test"]["numbers"]["words"] == 24


def test_every_image_counts(found) -> None:
    _, folder = found
    history = read_in_process(folder)
    assert history.strategy == "one-shot" and history.state == "finished"
    spent = {trial.id: trial.spent("images_seen") for trial in history.trials}
    # 48 images an epoch; 12 for the statistics of a net, and 10 words to rank it by.
    assert spent == {
        "supernet": 3 * (48 + 12),
        "ranking": 9 * (12 + 10) + 2 * 12,
        "finalist-1": 2 * 48,
        "finalist-2": 2 * 48,
    }


def test_finalists_begin_with_the_supernets_weights(found) -> None:
    _, folder = found
    supernet = torch.load(folder / "trials" / "supernet" / LAST, weights_only=True)["state_dict"]
    kept = weights(folder, "ranking", "finalist-1.ckpt")
    shared = [key for key in kept if not key.startswith("backbone.blocks")]
    assert {"backbone.stem.conv.weight", "decoder.classify.weight"} <= set(shared)
    for key in shared:
        if "running" not in key and "tracked" not in key:
            assert torch.equal(kept[key], supernet[f"recognizer.{key}"]), key


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """`left`: so many batches are trained and nets are scored or kept before the search is stopped."""
    state = {"left": -1}

    def dying(owner: Any, name: str, after: bool = False) -> None:
        original = getattr(owner, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            result = original(*arguments, **named) if after else None
            state["left"] -= 1
            if state["left"] == 0:
                raise KeyboardInterrupt
            return result if after else original(*arguments, **named)

        monkeypatch.setattr(owner, name, counted)

    dying(ReadingTask, "loss_of")
    dying(Scorer, "score")
    dying(Ranking, "add", after=True)
    yield state


@pytest.mark.parametrize(
    "times", [3, pytest.param(10, marks=pytest.mark.slow("starts a search eleven times"))]
)
def test_stopped_at_random_moments_it_ends_alike(found, recipe, tmp_path, mortal, times: int) -> None:
    _, whole = found
    draw, stops = random.Random(times), 0
    at = set()
    for _ in range(40):
        mortal["left"] = draw.randint(6, 9 if times > 3 else 22) if stops < times else -1
        try:
            search(recipe, tmp_path / "run")
            break
        except KeyboardInterrupt:
            stops += 1
            trials = (tmp_path / "run" / "trials").iterdir()
            at |= {trial.name for trial in trials if not (trial / "result.json").exists()}
            ranking = tmp_path / "run" / "trials" / "ranking"
            if (ranking / RANKED).exists() and not (ranking / "result.json").exists():
                with (ranking / RANKED).open("a") as torn:  # as a kill while it is written
                    torn.write('{"architecture": "AB')
    assert stops == times and at >= {"supernet", "ranking"}
    assert outcome(tmp_path / "run") == outcome(whole)
    for trial, name in (("ranking", "finalist-2.ckpt"), ("finalist-1", BEST), ("finalist-2", BEST)):
        mine, other = weights(tmp_path / "run", trial, name), weights(whole, trial, name)
        assert all(torch.equal(mine[key], other[key]) for key in other)


def test_with_a_proxy_finalists_have_the_recipes_own_translator(tiny_search, tmp_path) -> None:
    one_shot = {"epochs": 1, "nets": 2, "population": 2, "recalibration": 8, "words": 5, "finalists": 1}
    recipe = recipe_in(
        tmp_path,
        tiny_search,
        search={"one_shot": one_shot, "proxy": {"translator": "ctc"}},
        training={"epochs": 1},
    )
    summary = search(recipe, tmp_path / "s")
    assert [row["trial"] for row in summary["architectures"]] == ["finalist-1"]
    supernet = torch.load(tmp_path / "s/trials/supernet" / LAST, weights_only=True)["state_dict"]
    assert "recognizer.decoder.gru.weight_ih" not in supernet
    kept = weights(tmp_path / "s", "ranking", "finalist-1.ckpt")
    assert "decoder.gru.weight_ih" in kept
    key = "encoder.lstm.weight_ih_l0"
    assert torch.equal(kept[key], supernet[f"recognizer.{key}"])


def test_a_ranking_without_its_supernet_says_so(recipe, tmp_path) -> None:
    (tmp_path / "trials").mkdir()
    with pytest.raises(InputError, match="no finished trial of the step supernet.*on one machine"):
        run_proposal({"step": "ranking"}, recipe, tmp_path / "trials" / "ranking", lambda *report: None)
