"""Recipes from files and from plain mappings, with errors that say how to mend them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autostr_nni.recipe.problems import describe
from autostr_nni.recipe.recipe import Recipe
from autostr_nni.recipe.yaml_file import Location, read_yaml
from autostr_nni.search_spaces.errors import InputError


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe. Relative paths in it are taken against the recipe's folder.

    Raises InputError that names file, line, dotted key, what is wrong and the nearest right key or value.
    """
    try:
        path = Path(path).expanduser()
    except RuntimeError:  # nobody of the name after ~
        path = Path(path)
    content, lines = read_yaml(path)
    if content is None:
        raise InputError(f"{path}: is empty; a recipe needs at least data.train and data.validation")
    recipe = recipe_from(content, path.resolve().parent, str(path), lines)
    recipe._source = path.resolve()
    return recipe


def recipe_from(
    content: Any,
    folder: Path,
    name: str = "recipe",
    lines: dict[Location, int] | None = None,
    source: Path | None = None,
) -> Recipe:
    """Check a plain mapping as a recipe whose relative paths start at `folder`; `name` stands in errors.

    `source` is the file that it was read from once.
    """
    if not isinstance(content, dict):
        raise InputError(f"{name}: must be a mapping of keys to values, not {type(content).__name__}")
    if "trialCommand" in content and "data" not in content:
        raise InputError(f"{name}: is an experiment file; name the recipe, which its tuner names")
    try:
        recipe = Recipe.model_validate(content, context={"folder": folder})
    except ValidationError as error:
        raise InputError(describe(error, content, Recipe, name, lines)) from None
    recipe._source = source
    return recipe
