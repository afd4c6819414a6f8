"""Trainings of winners and of keys on real words: each search by its name, and no net for another's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.real_words.further import name_of, scored


@pytest.mark.parametrize("folder", ["searches/two-step-3", "searches/two-step-3/scene", "flat/two-step-3"])
def test_a_search_is_called_by_strategy_and_seed(folder: str) -> None:
    assert name_of(Path(folder)) == "two-step-3"


def test_a_search_without_such_a_name() -> None:
    with pytest.raises(SystemExit, match="runs/mine: is not called STRATEGY-SEED"):
        name_of(Path("runs/mine"))


def test_what_another_recipe_gave_is_not_taken(tmp_path: Path) -> None:
    out, file = tmp_path / "net", tmp_path / "recipe.yml"
    out.mkdir()
    (out / "tested.json").write_text(json.dumps({"sets": {"words": {"word_accuracy": 0.5}}}))
    assert scored(["net"], file, "seed: 0", out) == {"words": 0.5}
    assert scored(["net"], file, "seed: 0", out) == {"words": 0.5}
    for net, recipe in (("net", "seed: 1"), ("other", "seed: 0")):
        with pytest.raises(SystemExit, match="holds what another net or recipe gave"):
            scored([net], file, recipe, out)
    assert file.read_text() == "seed: 0"
