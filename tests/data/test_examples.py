"""The examples that render all their words: each set has some that every step can use."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.data.sets.usable import check_words
from autostr_nni.recipe import load_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("example", ["quickstart", "lines"])
def test_every_set_has_usable_words(example: str, tmp_path: Path) -> None:
    content = yaml.safe_load((EXAMPLES / example / "recipe.yml").read_text(encoding="utf-8"))
    for options in content["data"]["synth"].values():
        options["count"] = 200
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    recipe = load_recipe(tmp_path / "recipe.yml")
    prepare_data(recipe, lambda line: None, processes=1)
    check_words(recipe)
