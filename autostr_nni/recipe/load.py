"""Recipes from files and from plain mappings, with errors that say how to mend them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autostr_nni.recipe.problems import describe
from autostr_nni.recipe.recipe import Recipe
from autostr_nni.recipe.weight import NOT_SET, Change, changes
from autostr_nni.recipe.words.targets import MARK, for_target, split
from autostr_nni.recipe.yaml_file import Location, read_yaml
from autostr_nni.system import extensions
from autostr_nni.system.errors import InputError, shown


def load_recipe(path: str | Path, run_extensions: bool = True, counting: bool = True) -> Recipe:
    """Read a recipe, and run the user's own modules that it names.

    Relative paths in it are taken against the recipe's folder. ``recipe.yml#scene`` is the recipe for one of
    its targets (`words.targets`). Without `counting` it is read as one
    whose nets may cost anything: the table of what they cost may still have to be measured.

    Raises InputError that names file, line, dotted key, what is wrong and the nearest right key or value.
    """
    try:
        path = Path(path).expanduser()
    except RuntimeError:  # nobody of the name after ~
        path = Path(path)
    file, target = split(path)
    content, lines = read_yaml(file)
    if content is None:
        raise InputError(f"{file}: is empty; a recipe needs at least data.train and data.validation")
    if not counting:
        content = _without_cost(content)
    here = file.resolve()
    source = here if target is None else here.with_name(f"{here.name}{MARK}{target}")
    return recipe_from(content, here.parent, str(file), lines, source, run_extensions, target)


def _without_cost(content: Any) -> Any:
    """A recipe whose nets may cost anything."""
    search = content.get("search") if isinstance(content, dict) else None
    if not isinstance(search, dict) or "cost" not in search:
        return content
    kept = {key: value for key, value in search.items() if key != "cost"}
    operators, path = search.get("operators") or {}, search.get("path") or {}
    if not isinstance(operators, dict) or not isinstance(path, dict):
        return content
    if type(path.get("paths")) is int:  # drawn within a band, whose lower end is in another unit
        path = {**path, "paths": "typical"}
    kept |= {"operators": {**operators, "budget_m": 1e9}, "path": path}
    return {**content, "search": kept}


def recipe_from(
    content: Any,
    folder: Path,
    name: str = "recipe",
    lines: Mapping[Location, int] | None = None,
    source: Path | None = None,
    run_extensions: bool = False,
    target: str | None = None,
) -> Recipe:
    """Check a plain mapping as a recipe whose relative paths start at `folder`; `name` stands in errors.

    `source` is the file that it was read from once, `target` the one of its targets that is meant. With
    `run_extensions` the user's own modules that it names are loaded, which runs their code: for a file that
    the user names, never for what only tells of a search.
    """
    if not isinstance(content, dict):
        raise InputError(f"{name}: must be a mapping of keys to values, not {type(content).__name__}")
    if "trialCommand" in content and "data" not in content:
        raise InputError(f"{name}: is an experiment file; name the recipe, which its tuner names")
    content, lines = for_target(content, lines, target, name)
    named = content.get("extensions")
    listed = [text for text in named if isinstance(text, str)] if isinstance(named, list) else []
    if run_extensions:
        try:
            extensions.load_all([extensions.place(text, folder) for text in listed])
        except InputError as error:
            raise InputError(f"{name}: extensions: {error}") from None
    try:
        recipe = Recipe.model_validate(content, context={"folder": folder})
    except ValidationError as error:
        told = describe(error, content, Recipe, name, lines)
        raise InputError(told + extensions.not_run(listed)) from None
    recipe._source = source
    return recipe


def completed(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """Plain values with what was left out at its default: what an older version kept lacks newer keys.

    A recipe that this version cannot read stays as it is.
    """
    try:
        return recipe_from(dict(recipe), Path("/")).model_dump(mode="json")
    except InputError:
        return recipe


def check_unchanged(recipe: Recipe, told: Mapping[str, Any], where: str, whose: str, otherwise: str) -> None:
    """Raise InputError where ``recipe`` differs from the values ``told`` in what can change a result.

    The sentence names the first key that differs, with both values: ``where`` is what it begins with,
    ``whose`` search was told the others, and ``otherwise`` what else one may do.
    """
    found = changes(recipe.model_dump(mode="json"), completed(told))
    if found:
        raise InputError(f"{where}{what_changed(found, whose)}; put it back, or {otherwise}")


def what_changed(found: Sequence[Change], whose: str) -> str:
    """The first of the keys that have changed since ``whose`` search began, with both values."""
    key, now, then = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{key} is {_told(now)} and was {_told(then)} when {whose} began{more}"


def _told(value: Any) -> str:
    return NOT_SET if value is NOT_SET else shown(value)
