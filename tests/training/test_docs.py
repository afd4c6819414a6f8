"""The recipes of docs/training.md and docs/shape.md train."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.runs.records import read_metrics
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Log

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"training.md": {"augmentation", "schedule"}, "shape.md": {"padding", "tall", "short"}}
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
def test_recipes_train(tmp_path: Path, make_recipe, steps, name: str) -> None:
    changes = {"training.epochs": 2, "search.path.epochs": 1, "training.epoch_images": 16}
    recipe = make_recipe(changes | dotted(yaml.safe_load(BLOCKS[name])))
    path = recipe.search_paths()[0].text(recipe.model.stage_layers)
    for step in ("path", "train"):
        run_proposal({**steps[step], "stride_path": path}, recipe, tmp_path / step, Log())
        assert len(read_metrics(tmp_path / step)) == {"path": 1, "train": 2}[step]


def test_the_pages_have_their_recipes() -> None:
    assert set(BLOCKS) == {f"{page} {name}" for page, names in PAGES.items() for name in names}
