"""The recipes of docs/training.md and docs/shape.md train, and the example of long lines."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.recipe import recipe_from
from autostr_nni.runs.layout import BEST
from autostr_nni.runs.records import read_metrics
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.training.run_trial import run_proposal, train_architecture
from tests.training.stopping import Log

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"training.md": {"augmentation", "schedule", "warm"}, "shape.md": {"padding", "tall", "short"}}
BLOCKS = {
    f"{page} {name}": text
    for page in PAGES
    for name, text in re.findall(
        r"<!-- (\w+) recipe -->\n```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.S
    )
}


def dotted(content: dict[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, keys in content.items() for key, value in keys.items()}


@pytest.mark.parametrize("name", BLOCKS)
def test_recipes_train(tmp_path: Path, make_recipe, steps, sets, finished, name: str) -> None:
    if "warm" in name:
        (sets / "pretrained").mkdir()
        shutil.copy(finished(steps["train"])[0] / BEST, sets / "pretrained")
    changes = {"training.epochs": 2, "search.path.epochs": 1, "training.epoch_images": 16}
    recipe = make_recipe(changes | dotted(yaml.safe_load(BLOCKS[name])))
    path = recipe.search_paths()[0].text(recipe.model.stage_layers)
    for step in ("path", "train"):
        run_proposal({**steps[step], "stride_path": path}, recipe, tmp_path / step, Log())
        assert len(read_metrics(tmp_path / step)) == {"path": 1, "train": 2}[step]


def test_the_pages_have_their_recipes() -> None:
    assert set(BLOCKS) == {f"{page} {name}" for page, names in PAGES.items() for name in names}


def test_the_lines_example_trains(tmp_path: Path) -> None:
    """On a few short lines; the README's own net."""
    content = yaml.safe_load((DOCS.parent / "examples" / "lines" / "recipe.yml").read_text(encoding="utf-8"))
    for words in content["data"]["synth"].values():
        words |= {"count": 8, "words": [2, 3]}
    content["training"] |= {"batch_size": 4, "epochs": 1, "epoch_images": 8, "short_words": {"epochs": 0}}
    recipe = recipe_from(content, tmp_path)
    prepare_data(recipe, lambda line: None, processes=1)
    readme = (DOCS.parent / "examples" / "lines" / "README.md").read_text(encoding="utf-8")
    net = Architecture.parse(re.findall(r"^autostr train (\S+) ", readme, re.M)[0], recipe.space())
    result = train_architecture(net, recipe.space(), recipe, tmp_path / "net", Log())
    assert recipe.model.steps == 160 >= recipe.data.max_length == 100
    assert result["metrics"]["words"] == 8 and result["metrics"]["loss"] < 1_000
