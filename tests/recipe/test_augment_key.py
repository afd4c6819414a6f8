"""`augment`: its values, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.recipe.augment import KINDS, Amount, amounts
from autostr_nni.system.errors import InputError


def recipe(augment: Any, search: Any = None) -> Recipe:
    data = {"train": ["a"], "validation": ["b"]}
    content = {"data": data, "training": {"augment": augment}, "search": {"augment": search}}
    return recipe_from(content, Path("/"), "recipe.yml")


def test_values() -> None:
    assert amounts(recipe("none").training.augment) == {}
    assert amounts(recipe("light").training.augment) == {name: kind.light for name, kind in KINDS.items()}
    listed = recipe(["noise", {"rotation": 12}]).training.augment
    assert list(amounts(listed).items()) == [("rotation", Amount(0.25, 12.0)), ("noise", Amount(0.15, 0.04))]
    again = recipe_from(recipe(["noise", {"rotation": 12}]).model_dump(mode="json"), Path("/"))
    assert again.training.augment == listed


def test_a_search_may_have_another() -> None:
    assert recipe("light").for_search().training.augment == "light"
    assert recipe("light", "none").for_operators().training.augment == "none"
    assert recipe("light", "none").for_ranking().training.augment == "light"  # rungs are trainings


WRONG = [
    ("lihgt", "has no augmentation 'lihgt'; nearest is 'light', known are none, light, strong, rotation"),
    ("blur", "training.augment must be none, light, strong or a list; one kind alone is written [blur]"),
    (["light", "blur"], "has light in a list; write light alone"),
    (["rotaton"], "has no augmentation 'rotaton'; nearest is 'rotation', known are rotation, perspective"),
    ([], "is an empty list; write none"),
    (["blur", {"blur": 2}], "names blur more than once"),
    ([{"rotation": 200}], "rotation must have a size of 0.1 to 180, not 200"),
    ([{"inversion": 1}], "inversion has no size"),
    ([3], "holds 3; write the name"),
    (3, "must be none, light, strong or a list of rotation"),
]


@pytest.mark.parametrize(("value", "told"), WRONG)
def test_wrong_values(value: Any, told: str) -> None:
    with pytest.raises(InputError) as error:
        recipe(value)
    assert str(error.value).startswith("recipe.yml: training.augment") and told in str(error.value)
    with pytest.raises(InputError, match="search.augment"):
        recipe("none", value)
