"""Which searches are one strategy with several seeds: all that counts is alike but the seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from autostr_nni.recipe.load import completed
from autostr_nni.recipe.weight import dotted, with_weight
from autostr_nni.recipe.words.targets import target_of
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.strategies.core import BUDGET

LARGEST = "largest net"
# What nets are counted by, which all strategies look at; searches of earlier versions have not recorded it.
COST = "search.cost"
# Settings that a seed may move along with: words may be rendered anew for each.
_PURPOSES = "data.validation_of"
_OF_SEEDS = ("seed", "data.train", "data.validation", _PURPOSES, "data.synth")
# What of the search's settings they look at that are no strategies.
_OWN = {LARGEST: ("search.random.paths", *BUDGET, COST), "single net": ()}


def seed_of(history: SearchHistory) -> int | None:
    """The seed of a search; None where its recipe is not known."""
    if history.recipe is None:
        return None
    seed = completed(history.recipe).get("seed", 0)
    return seed if type(seed) is int else None


def members(search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The strategies that a search holds: itself, and the largest net of the band beside random search."""
    largest = {net["trial"] for net in search["nets"] if net["largest"]}
    found = []
    for strategy, inside in ((search["strategy"], False), (LARGEST, True)):
        if inside and not largest:
            continue
        nets = [net for net in search["nets"] if (net["trial"] in largest) is inside]
        trials = [trial for trial in search["trials"] if (trial["trial"] in largest) is inside]
        found.append({"key": search["key"], "strategy": strategy, "nets": nets, "trials": trials})
    return found


def grouped(
    searches: Sequence[Mapping[str, Any]], histories: Mapping[str, SearchHistory]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Groups with a member per seed, in order of appearance, and sentences about what was left out.

    A group has ``key``, ``label``, ``strategy``, ``target`` and ``members`` by seed.
    """
    found: dict[str, dict[str, Any]] = {}
    left_out = []
    for search in searches:
        history = histories[search["key"]]
        seed = seed_of(history)
        for member in members(search):
            about = settings_of(history, member)
            kind = {"strategy": member["strategy"], "target": target_of(history.recipe), "settings": about}
            name = json.dumps(kind, sort_keys=True)
            group = found.setdefault(name, {**kind, "members": {}, "searches": []})
            group["searches"].append(search["key"])
            if seed is None:
                left_out.append(f"{search['label']} is not compared over seeds: its recipe is not known")
            elif seed in group["members"]:
                left_out.append(
                    f"{search['label']} is not compared over seeds: another search of the same settings has "
                    f"the seed {seed} too"
                )
            else:
                group["members"][seed] = member
    groups = list(found.values())
    for place, (group, label) in enumerate(zip(groups, labels(groups), strict=True), 1):
        group.update(key=f"g{place}", label=label)
    return groups, list(dict.fromkeys(left_out))


def settings_of(history: SearchHistory, member: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by which a strategy is another: of the recipe, what it looks at, without the seed."""
    recipe = dotted(with_weight(completed(history.recipe))) if history.recipe is not None else {}
    facts = history.facts
    own = _OWN.get(member["strategy"], ("search",) if facts is None else (*facts.settings, COST))
    kept = {
        key: value
        for key, value in recipe.items()
        if not _below(key, _OF_SEEDS) and (not key.startswith("search.") or _below(key, own))
    }
    least = "search.random.min_m"  # without one of its own, random search has halving's
    if least in kept or type(kept.get("search.path.paths")) is int:  # paths are drawn within the same band
        own_least = recipe.get(least)
        kept[least] = recipe.get("search.halving.min_m") if own_least is None else own_least
    # Other words for a purpose may come with a seed; to have some for it is a setting.
    purposes = [key for key, value in recipe.items() if _below(key, (_PURPOSES,)) and value]
    kept |= {key: "own words" for key in purposes}
    if member["strategy"] == "single net" and member["nets"]:
        kept["net"] = member["nets"][0]["architecture"]
    return kept


def _kind(group: Mapping[str, Any]) -> tuple[str, str | None]:
    return group["strategy"], group["target"]


def _below(key: str, parts: Sequence[str]) -> bool:
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def labels(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """The strategies' names, with what differs between groups of the same one."""
    found = []
    for group in groups:
        alike = [other for other in groups if _kind(other) == _kind(group)]
        keys = [
            key
            for key in sorted({key for other in alike for key in other["settings"]})
            if len({json.dumps(other["settings"].get(key)) for other in alike}) > 1
        ]
        name = "the largest net" if group["strategy"] == LARGEST else group["strategy"]
        name += "" if group["target"] is None else f" for {group['target']}"
        told = [f"{key.removeprefix('search.')} {_short(group['settings'].get(key))}" for key in keys[:2]]
        more = [f"{len(keys) - 2} more"] if len(keys) > 2 else []
        found.append(f"{name} ({', '.join(told + more)})" if told else name)
    places = [found[:place].count(label) for place, label in enumerate(found)]
    return [f"{label} {place + 1}" if place else label for label, place in zip(found, places, strict=True)]


def _short(value: Any) -> str:
    """A setting's value within a name: a table of latencies is long."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
