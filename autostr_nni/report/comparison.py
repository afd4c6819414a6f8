"""Whether searches may be compared: their spaces, and where their recipes differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from autostr_nni.recipe.recipe import WITHOUT_WEIGHT
from autostr_nni.report.history import SearchHistory

_ABSENT = "not set"
_WHOLE = "data.synth"


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
    flat = {
        key: flatten(history.recipe)
        for key, history in zip(keys, histories, strict=True)
        if history.recipe is not None
    }
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


def flatten(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings by dotted key; lists, and how a set is rendered, stay whole."""
    if not isinstance(content, Mapping) or prefix == _WHOLE:
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return found


def has_weight(name: str) -> bool:
    """Whether a setting can change what a search finds."""
    section, _, rest = name.partition(".")
    return rest.partition(".")[0] not in WITHOUT_WEIGHT.get(section, ())
