"""Keys of the shape: sequence and strides, and what is said where they do not fit the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autostr_nni.nni.experiment.choices import search_space_of
from autostr_nni.progress.plan import plan_of
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.recipe.checks.traps import check_traps
from autostr_nni.strategies import build
from autostr_nni.system.errors import InputError

TALL = {"image": [48, 160], "strides": [[2, 2], [2, 1], [3, 1]], "rectifier": {"enabled": False}}
SHORT = {
    "image": [32, 160],
    "sequence": [1, 20],
    "strides": [[2, 2], [2, 1]],
    "rectifier": {"enabled": False},
}


def recipe(model: dict[str, Any], **data: Any) -> Recipe:
    content = {"data": {"train": ["a"], "validation": ["b"], **data}, "model": model}
    return recipe_from(content, Path("/"), "recipe.yml")


def test_other_sizes() -> None:
    tall = recipe(TALL)
    assert tall.model.steps == 40 and {p.text() for p in tall.search_paths()} >= {"AABBJ", "JBABA"}
    assert len(tall.search_paths()) == 30
    short = recipe(SHORT)
    assert short.model.steps == 20 and short.space().out_width == 20
    assert {path.text().count("A") for path in short.search_paths()} == {3}
    two = recipe({"image": [32, 100], "sequence": [2, 25]}).space()  # read as 50 steps
    assert (two.out_height, len(two.typical_paths())) == (2, 30)
    assert recipe({}).digest() == recipe({"sequence": None, "strides": [[2, 2], [2, 1]]}).digest()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"image": [48, 160]}, "model.image: no stride path of 15 layers leads from 48x160 to 1x40"),
        (
            {"image": [100, 32]},
            "an image is height, width, and model.strides may hold others (docs/shape.md)",
        ),
        ({"sequence": [1, 30]}, "model.sequence: width 100 must be a positive multiple of out_width 30"),
        ({"strides": [[5, 1]]}, "model.strides has [5, 1], which is none of [2, 2], [2, 1], [1, 2]"),
        ({"strides": [[1, 1]]}, "model.strides has [1, 1], which is none of"),
        ({"strides": [[2, 2], [2, 2]]}, "model.strides must not repeat a stride"),
        ({"strides": []}, "model.strides must have at least 1 value"),
        (
            {"stage_widths": [8, 16], "stage_layers": [8, 7]},
            "no typical path takes 32x100 to 1x25 with 2 stages",
        ),
        ({"resize": "padd"}, "model.resize must be 'stretch' or 'pad', not 'padd'; nearest is 'pad'"),
        ({"vertical": "turn"}, "model.vertical must be 'keep' or 'rotate'"),
        ({**SHORT, "translator": {"kind": "ctc"}}, "lower data.max_length from 25"),
    ],
)
def test_what_does_not_fit(model: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        recipe(model)
    assert told in str(error.value)


def test_too_few_steps_for_the_words() -> None:
    with pytest.raises(
        InputError, match=r"model.sequence \[1, 20\] gives the decoder 20 steps.*a longer seq"
    ):
        check_traps(recipe(SHORT))
    check_traps(recipe(SHORT, max_length=20))


def test_a_space_without_typical_paths_is_searched_by_others() -> None:
    """Of its 7920 paths those that are drawn; nothing that asks for typical ones is let through."""
    content: dict[str, Any] = {
        "data": {"train": ["a"], "validation": ["b"]},
        "model": {"stage_widths": [64, 128], "stage_layers": [6, 6]},
        "training": {"epoch_images": 100},
        "search": {"path": {"paths": 3}},
    }
    made = recipe_from(content, Path("/"), "recipe.yml")
    assert made.space().typical_paths() == []
    for name in ("two-step", "random", "halving", "one-shot"):
        strategy = build(name, made)
        assert all(work.macs_m > 0 for work in plan_of(strategy, made).work.values())
        paths = search_space_of(made, strategy)["stride_path"]["_value"]
        assert {path.text((6, 6)) for path in made.search_paths()} <= set(paths)
    with pytest.raises(InputError, match="of its stride paths none is typical"):
        search_space_of(made, None)
    content["search"]["random"] = {"paths": "typical"}
    with pytest.raises(InputError, match=r"search\.random\.paths: no typical path takes .*; leave it out"):
        recipe_from(content, Path("/"), "recipe.yml")
