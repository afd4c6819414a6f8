"""Groups of searches against one another, in pairs of the same seed, at equal cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from autostr_nni.recipe.data import POOLED
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.same_words import Words
from autostr_nni.report.seeds.comparable import by_other_figures, metric, other_words
from autostr_nni.report.seeds.groups import grouped
from autostr_nni.report.seeds.paired import Paired, paired, wins
from autostr_nni.report.seeds.reached import VALIDATION, reached, spent
from autostr_nni.report.seeds.records import Across, Comparison, Pair, SeedFigure, SeedRow, TargetSet
from autostr_nni.report.seeds.sentence import sentence

END = "end"  # each search at its own end, whatever it cost
UNITS = ("images", "seconds", END)


def compared(searches: Sequence[Mapping[str, Any]], histories: Mapping[str, SearchHistory]) -> int:
    """How many comparisons the searches of one space make: pairs of groups that share a seed."""
    return len(_sharing(grouped(searches, histories)[0]))


def _sharing(groups: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs that have a seed in common, and the figure that they are told by."""
    return [
        (a, b)
        for a, b in combinations(groups, 2)
        if a["members"].keys() & b["members"].keys() and metric(a) == metric(b)
    ]


def compare(
    searches: Sequence[Mapping[str, Any]],
    histories: Mapping[str, SearchHistory],
    comparisons: int | None = None,
) -> Comparison:
    """The searches of one space by group and seed, as plain data.

    ``comparisons``: how many are told together, where those of other spaces stand beside these.

    ``groups``: key, label, strategy, the searches and seeds of each. ``pairs``: two groups each, with
    ``figures`` by unit and set (`figure`), a ``sentence``, and ``set``, the one that the sentence is about.
    ``left_out``: sentences.
    """
    groups, left_out = grouped(searches, histories)
    left_out += by_other_figures(groups)
    shared = _sharing(groups)
    told = comparisons or len(shared)
    words = Words()
    pairs: list[Pair] = []
    for first, second in shared:
        seeds = sorted(first["members"].keys() & second["members"].keys())
        left_out += _alone(first, second)
        others = other_words(first, second, seeds, histories, words)
        left_out += [
            f"{first['label']} and {second['label']} are not compared by the test set {name}: {why}"
            for name, why in others.items()
        ]
        figures = [
            found
            for unit in UNITS
            for found in figures_of(first["members"], second["members"], seeds, unit, told)
            if found["set"].removeprefix("test ") not in (*others, *([POOLED] if others else []))
        ]
        pair: Pair = {
            "first": first["key"],
            "second": second["key"],
            "seeds": seeds,
            "figures": figures,
            "set": decisive(figures, homes_of(first, histories)),
            "sentence": "",
        }
        pair["sentence"] = sentence(first["label"], second["label"], pair)
        pairs.append(pair)
    return {
        "groups": [
            {
                "key": group["key"],
                "label": group["label"],
                "strategy": group["strategy"],
                "searches": group["searches"],
                "seeds": sorted(group["members"]),
            }
            for group in groups
        ],
        "pairs": pairs,
        "left_out": left_out,
    }


def across(
    searches: Sequence[Mapping[str, Any]], histories: Mapping[str, SearchHistory], sets: Sequence[TargetSet]
) -> tuple[list[Across], list[str]]:
    """Searches for two targets by one strategy over one space, in pairs of the same seed.

    And sentences about what was left out. `sets` are test sets, each with the targets that it is of. What was
    chosen by other validation words is told by test words alone: without any there is nothing to tell.
    """
    groups, left_out = grouped(searches, histories)
    spaces = {search["key"]: search["space"] for search in searches}
    two = [
        (a, b)
        for a, b in combinations(groups, 2)
        if a["target"] != b["target"]
        and a["strategy"] == b["strategy"]
        and spaces[a["searches"][0]] == spaces[b["searches"][0]]
        and a["members"].keys() & b["members"].keys()
    ]
    wanted = [
        [item["set"] for item in sets if {first["target"], second["target"]} & set(item["targets"])]
        for first, second in two
    ]
    found: list[Across] = []
    for (first, second), names in zip(two, wanted, strict=True):
        if not names:
            continue
        left_out += _alone(first, second)
        seeds = sorted(first["members"].keys() & second["members"].keys())
        figures = [
            told
            for unit in UNITS
            for told in figures_of(first["members"], second["members"], seeds, unit, sum(map(len, wanted)))
            if told["set"].removeprefix("test ") in names
        ]
        labels = (first["label"], second["label"])
        pair = {"figures": figures, "seeds": seeds}
        said = [sentence(*labels, {**pair, "set": f"test {name}"}, f"the words of {name}") for name in names]
        found.append(
            {
                "first": labels[0],
                "second": labels[1],
                "seeds": seeds,
                "figures": figures,
                "sentences": said,
            }
        )
    return found, left_out


def _alone(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """A sentence about the seeds that only one of two groups has."""
    alone = sorted(first["members"].keys() ^ second["members"].keys())
    if not alone:
        return []
    return [
        f"{first['label']} and {second['label']} are compared over the seeds that both have; left out: "
        f"{', '.join(map(str, alone))}"
    ]


def homes_of(group: Mapping[str, Any], histories: Mapping[str, SearchHistory]) -> Sequence[str] | None:
    """The test sets of the target that a group is for; None where it is for none, and all count."""
    recipe = histories[group["searches"][0]].recipe
    if group["target"] is None or recipe is None:
        return None
    return [f"test {name}" for name in (*recipe["data"].get("test", {}), "all")]


def figures_of(
    first: Mapping[int, Mapping[str, Any]],
    second: Mapping[int, Mapping[str, Any]],
    seeds: Sequence[int],
    unit: str,
    comparisons: int,
) -> list[SeedFigure]:
    """The figures of every set at one cost: for each seed, what the cheaper of its two searches spent."""
    found = []
    for seed in seeds:
        cost = "images" if unit == END else unit
        costs = [spent(side[seed], cost) for side in (first, second)]
        at = max(costs) if unit == END else min(costs)
        scores = [reached(side[seed], cost, at) for side in (first, second)]
        found.append((seed, costs, at, scores))
    sets = dict.fromkeys(name for *_, scores in found for side in scores for name in side)
    return [
        figure(
            unit,
            name,
            [
                {
                    "seed": seed,
                    "at": None if unit == END else at,
                    "first_cost": costs[0],
                    "second_cost": costs[1],
                    "first": scores[0].get(name),
                    "second": scores[1].get(name),
                    "difference": None,
                }
                for seed, costs, at, scores in found
            ],
            comparisons,
        )
        for name in sets
    ]


def figure(unit: str, name: str, rows: list[SeedRow], comparisons: int) -> SeedFigure:
    """One comparison: a row per seed, the mean difference with its interval, wins.

    A seed with a net on one side only is no difference, but a win.
    """
    for row in rows:
        first, second = row["first"], row["second"]
        row["difference"] = None if first is None or second is None else first - second
    differences = [row["difference"] for row in rows if row["difference"] is not None]
    told = paired(differences, comparisons) if differences else Paired(0.0, None, None, None)
    ahead, ties, behind = wins([(row["first"], row["second"]) for row in rows])
    return {
        "unit": unit,
        "set": name,
        "rows": rows,
        "n": len(rows),
        "compared": len(differences),
        "mean": told.mean if differences else None,
        "low": told.low,
        "high": told.high,
        "p": told.p,
        "wins": ahead,
        "ties": ties,
        "losses": behind,
        "comparisons": comparisons,
    }


def decisive(figures: Sequence[SeedFigure], homes: Sequence[str] | None = None) -> str:
    """The set that decides: all test words together, else the first test set, else validation.

    Where `homes` are given, of those alone: other targets' words decide nothing. What one side alone has
    (test sets that share words have no figure of all together) decides where they have none in common.
    """
    known = [found for found in figures if homes is None or found["set"] in homes]
    common = [found["set"] for found in known if all(_has(found, side) for side in ("first", "second"))]
    sets = common or [found["set"] for found in known]
    tests = [name for name in sets if name != VALIDATION]
    return "test all" if "test all" in tests else tests[0] if tests else VALIDATION


def _has(found: SeedFigure, side: Literal["first", "second"]) -> bool:
    return any(row[side] is not None for row in found["rows"])
