"""What a search leaves for reports while it runs: its recipe, and probabilities of every epoch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autostr_nni.nni import proposing
from autostr_nni.nni import tuner as tuner_module
from autostr_nni.recipe import load_recipe
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.settings import settings
from autostr_nni.training.run_trial import run_proposal


def test_a_tuner_keeps_its_recipe(
    tiny_search: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_search(tmp_path)
    folder = tmp_path / "experiment"
    folder.mkdir()
    monkeypatch.setattr(proposing, "experiment_folder", lambda: folder)
    tuner_module.RandomTuner(recipe=str(tmp_path / "recipe.yml"))
    kept = json.loads((folder / "recipe.json").read_text())
    told = load_recipe(tmp_path / "recipe.yml").model_dump(mode="json")
    assert kept == told
    histories = [SearchHistory("", "", "", "", folder, "", [], recipe=recipe) for recipe in (kept, told)]
    told = settings(histories, ["s1", "s2"])
    assert (told["compared"], told["differences"], told["missing"]) == (2, [], [])


def test_an_operator_search_keeps_its_probabilities(tiny_search: Callable[..., Path], tmp_path: Path) -> None:
    tiny_search(tmp_path)
    recipe = load_recipe(tmp_path / "recipe.yml")
    run_proposal(
        {"step": "operators", "stride_path": "AABBB"}, recipe, tmp_path / "run", lambda *report: None
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / "probabilities.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert lines[-1]["layers"] == result["probabilities"]
    assert all(sum(layer.values()) == pytest.approx(1) for layer in lines[0]["layers"])
    assert "skip" in lines[0]["layers"][1] and "skip" not in lines[0]["layers"][0]
