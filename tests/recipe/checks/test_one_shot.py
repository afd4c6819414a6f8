"""What a one-shot search would find out after its supernet is told before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autostr_nni.recipe import load_recipe
from autostr_nni.recipe.checks.one_shot import check_one_shot
from autostr_nni.system.errors import InputError

SETS = "[{set: large, weight: 0.99}, {set: small, weight: 0.01}]"


@pytest.mark.parametrize(
    ("data", "options", "told"),
    [
        (
            f"train: [w], validation: {SETS}",
            "words: 40",
            r"words: of 40 words .*small with .* 0.01",
        ),
        (
            f"train: [w], validation: [v], validation_of: {{ranking: {SETS}}}",
            "words: 40",
            "words: of 40 words",
        ),
        (f"train: {SETS}, validation: [v]", "recalibration: 30", "recalibration: of 30 words"),
        (f"train: {SETS}, validation: [v]", "epoch_images: 20", "epoch_images: of 20 words"),
        (f"train: {SETS}, validation: {SETS}", "words: 100, recalibration: 100", ""),
        (f"train: [w], validation: {SETS}", "words: null", ""),
    ],
)
def test_a_set_without_a_word(tmp_path: Path, data: str, options: str, told: str) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(f"data: {{{data}}}\nsearch: {{one_shot: {{{options}}}}}\n", encoding="utf-8")
    recipe = load_recipe(path)
    if not told:
        check_one_shot(recipe)
        return
    with pytest.raises(InputError, match=rf"recipe\.yml: search\.one_shot\.{told}"):
        check_one_shot(recipe)
