"""Whether searches may be compared: their spaces, and where their recipes differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import Any

from autostr_nni.recipe.load import completed, recipe_from
from autostr_nni.recipe.weight import NOT_SET, dotted, has_weight
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.records import Alike, Difference, Search, Setting, Settings
from autostr_nni.report.same_words import Words

#: Of the recipe's `data`, where the words stand that a search trains on and chooses by.
SECTIONS = ("train", "validation", *(f"validation_of.{choice}" for choice in ("ranking", "alpha", "epochs")))


def groups(searches: Sequence[Search]) -> list[Alike]:
    """Searches over the same space and for the same target, in order of appearance; a search of an unknown
    space stands alone."""
    found: dict[tuple[str, str | None], Alike] = {}
    spaces: dict[str, int] = {}
    for search in searches:
        space, target = search["space"], search["target"]
        key = json.dumps(space, sort_keys=True) if space else f"unknown {search['key']}"
        number = spaces.setdefault(key, len(spaces) + 1)
        name = f"space {number}" if target is None else target if number == 1 else f"{target}, space {number}"
        alike = found.setdefault((key, target), {"name": name, "space": space, "searches": []})
        alike["searches"].append(search["key"])
    return list(found.values())


def settings(histories: Sequence[SearchHistory], keys: Sequence[str]) -> Settings:
    """The recipes side by side: ``differences`` (dotted key, a value per search, weight), ``missing`` and
    ``recipes`` (every setting of each).

    ``weight`` is false for settings that cannot change what a search finds, such as loader processes, or the
    folder of the same words.
    """
    recipes = {
        key: completed(history.recipe)
        for key, history in zip(keys, histories, strict=True)
        if history.recipe is not None
    }
    shared = set.intersection(*(set(_rendered(recipe)) for recipe in recipes.values())) if recipes else set()
    flat = {key: flatten(recipe, shared) for key, recipe in recipes.items()}
    same = _same_words(list(recipes.values()))
    differences: list[Difference] = []
    for name in sorted({name for recipe in flat.values() for name in recipe}):
        values = {key: recipe.get(name, NOT_SET) for key, recipe in flat.items()}
        if len({json.dumps(value) for value in values.values()}) > 1:
            differences.append({"key": name, "values": values, "weight": _weighs(name, same)})
    differences.sort(key=lambda row: (not row["weight"], row["key"]))
    return {
        "compared": len(flat),
        "differences": differences,
        "missing": [key for key in keys if key not in flat],
        "recipes": {key: _own(recipe) for key, recipe in recipes.items()},
    }


def _own(recipe: Mapping[str, Any]) -> list[Setting]:
    """Every setting of a recipe by dotted key, and whether it is the default."""
    plain = dotted(
        recipe_from({"data": {"train": ["-"], "validation": ["-"]}}, Path("/")).model_dump(mode="json")
    )
    return [
        {"key": key, "value": value, "default": key in plain and plain[key] == value}
        for key, value in dotted(recipe).items()
    ]


def _same_words(recipes: Sequence[Mapping[str, Any]]) -> set[str]:
    """Of the sections that a search looks at, those whose words are the same in all recipes."""
    words = Words()
    return {
        section
        for section in SECTIONS
        if all(words.same(recipes[0], other, section) for other in recipes[1:])
    }


def _weighs(name: str, same: Set[str]) -> bool:
    """Whether a difference can change what a search finds: where the same words lie cannot."""
    if (section := name.removeprefix("data.")) in SECTIONS:
        return section not in same
    if name.startswith("data.synth."):
        return len(same) < len(SECTIONS)
    return has_weight(name)


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
        found.update(dotted(spec, f"data.synth.{name}") if name in shared else {f"data.synth.{name}": spec})
    return {**dotted(content), **found}


def _rendered(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The sets that a recipe renders, by the name of their folder where no two have the same."""
    specs = (recipe.get("data") or {}).get("synth") or {}
    names = Counter(PurePath(folder).name for folder in specs)
    return {
        (folder if names[PurePath(folder).name] > 1 else PurePath(folder).name): spec
        for folder, spec in specs.items()
    }
