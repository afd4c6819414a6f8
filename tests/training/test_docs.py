"""The recipes of docs/training.md train."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.runs.records import read_metrics
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Log

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (\w+) recipe -->\n```yaml\n(.*?)```", PAGE, re.S))


def dotted(content: dict[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, keys in content.items() for key, value in keys.items()}


@pytest.mark.parametrize("name", BLOCKS)
def test_recipes_train(tmp_path: Path, make_recipe, steps, name: str) -> None:
    changes = {"training.epochs": 2, "search.path.epochs": 1, "training.epoch_images": 16}
    changes |= {key: value for key, value in dotted(yaml.safe_load(BLOCKS[name])).items()}
    recipe = make_recipe({**changes, "training.epochs": 2})
    for step in ("path", "train"):
        run_proposal(steps[step], recipe, tmp_path / step, Log())
        assert len(read_metrics(tmp_path / step)) == {"path": 1, "train": 2}[step]


def test_the_page_has_its_recipes() -> None:
    assert set(BLOCKS) == {"augmentation", "schedule"}
