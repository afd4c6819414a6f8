"""What of two groups of searches may be compared: figures of one kind, on the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.same_words import Words

_OTHERS = "its words are others"
_UNSEEN = "it lies at other places, and whether its words are the same cannot be looked at on this machine"


def metric(group: Mapping[str, Any]) -> Any:
    """The figure that the searches of a group are chosen and told by."""
    return group["settings"].get("evaluation.metric")


def by_other_figures(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence about groups that are told by different figures, of which no difference can be made."""
    told = list(dict.fromkeys(metric(group) for group in groups if metric(group) is not None))
    if len(told) < 2:
        return []
    return [
        f"searches by different figures (evaluation.metric: {', '.join(told)}) are not compared over seeds"
    ]


def other_words(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    seeds: Sequence[int],
    histories: Mapping[str, SearchHistory],
    words: Words,
) -> dict[str, str]:
    """The test sets that both searches of a seed have by the same name and not for certain with the same
    words, each with the reason."""
    found: dict[str, str] = {}
    for seed in seeds:
        recipes = [histories[group["members"][seed]["key"]].recipe or {} for group in (first, second)]
        one, other = (recipe.get("data", {}).get("test") or {} for recipe in recipes)
        for name in one:
            same = words.same_test(recipes[0], recipes[1], name) if name in other else True
            if not same:
                found[name] = _UNSEEN if same is None else _OTHERS
    return found
