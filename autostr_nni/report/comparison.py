"""Whether searches may be compared: their spaces, and where their recipes differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any

from autostr_nni.recipe.recipe import WITHOUT_WEIGHT
from autostr_nni.report.history import SearchHistory, checked_recipe

_ABSENT = "not set"


def groups(searches: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Searches over the same space, in order of appearance; a search of an unknown space stands alone."""
    found: dict[str, dict[str, Any]] = {}
    for search in searches:
        space = search["space"]
        key = json.dumps(space, sort_keys=True) if space else f"unknown {search['key']}"
        if key not in found:
            found[key] = {"name": f"space {len(found) + 1}", "space": space, "searches": []}
        found[key]["searches"].append(search["key"])
    return list(found.values())


def settings(histories: Sequence[SearchHistory], keys: Sequence[str]) -> dict[str, Any]:
    """The recipes side by side: ``differences`` (dotted key, a value per search, weight) and ``missing``.

    ``weight`` is false for settings that cannot change what a search finds, such as loader processes.
    """
    recipes = {
        key: complete(history.recipe)
        for key, history in zip(keys, histories, strict=True)
        if history.recipe is not None
    }
    shared = set.intersection(*(set(_rendered(recipe)) for recipe in recipes.values())) if recipes else set()
    flat = {key: flatten(recipe, shared) for key, recipe in recipes.items()}
    differences = []
    for name in sorted({name for recipe in flat.values() for name in recipe}):
        values = {key: recipe.get(name, _ABSENT) for key, recipe in flat.items()}
        if len({json.dumps(value) for value in values.values()}) > 1:
            differences.append({"key": name, "values": values, "weight": has_weight(name)})
    differences.sort(key=lambda row: (not row["weight"], row["key"]))
    return {
        "compared": len(flat),
        "differences": differences,
        "missing": [key for key in keys if key not in flat],
    }


def complete(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe with what was left out at its default: one that an older version kept lacks newer keys."""
    checked = checked_recipe(recipe)
    return recipe if checked is None else checked.model_dump(mode="json")


def flatten(recipe: Mapping[str, Any], shared: Set[str] = frozenset()) -> dict[str, Any]:
    """A recipe's values by dotted key. A rendered set goes by its folder's name, and how it is rendered stays
    whole unless it is one of the ``shared`` ones, which the other recipes render too."""
    content = {
        section: dict(values) if isinstance(values, Mapping) else values for section, values in recipe.items()
    }
    found: dict[str, Any] = {}
    rendered = _rendered(recipe)
    if "data" in content:
        content["data"].pop("synth", None)
    for name, spec in rendered.items():
        found.update(_dotted(spec, f"data.synth.{name}") if name in shared else {f"data.synth.{name}": spec})
    return {**_dotted(content), **found}


def _rendered(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The sets that a recipe renders, by the name of their folder where no two have the same."""
    specs = (recipe.get("data") or {}).get("synth") or {}
    names = Counter(PurePath(folder).name for folder in specs)
    return {
        (folder if names[PurePath(folder).name] > 1 else PurePath(folder).name): spec
        for folder, spec in specs.items()
    }


def _dotted(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings by dotted key; lists stay whole."""
    if not isinstance(content, Mapping):
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found.update(_dotted(value, f"{prefix}.{key}" if prefix else str(key)))
    return found


def has_weight(name: str) -> bool:
    """Whether a setting can change what a search finds."""
    section, _, rest = name.partition(".")
    return rest.partition(".")[0] not in WITHOUT_WEIGHT.get(section, ())
