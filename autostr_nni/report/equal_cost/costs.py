"""Accuracy against cost so far: AutoSTR beside random search at equal images and at equal seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autostr_nni.report.equal_cost.records import Costs, EqualCost, Observed, StepEnd
from autostr_nni.report.reading.history import DONE, FAILED
from autostr_nni.report.seeds.groups import members
from autostr_nni.report.statistics import NONE, Curve, band, best_so_far, bootstrap, known

UNITS = ("images", "seconds")
_POINTS = 200  # of a band's grid


def cost_so_far(searches: Sequence[Mapping[str, Any]], draws: int, seed: int) -> dict[str, Costs]:
    """Per unit: ``observed`` by search, ``bands`` of the random ones, ``equal_cost`` comparisons.

    Accuracy is that on validation of nets of the step `train`; before the first one there is none. All that
    a search spent counts, its failed trials and AutoSTR's first two steps included.
    """
    return {unit: _of_unit(searches, unit, draws, seed) for unit in UNITS}


def _of_unit(searches: Sequence[Mapping[str, Any]], unit: str, draws: int, seed: int) -> Costs:
    observed: dict[str, Observed] = {}
    bands, pools = {}, {}
    searches = [{**search, **members(search)[0]} for search in searches]  # the largest net is no draw
    for search in searches:
        observed[search["key"]] = observed_curve(search, unit)
        pool = pool_of(search, unit)
        if search["baseline"] and pool:
            pools[search["key"]] = pool
            end = sum(curve.total for curve in pool)
            grid = np.linspace(0, end, _POINTS + 1).tolist()
            bands[search["key"]] = {**vars(band(pool, grid, draws, seed)), "nets": len(pool)}
    equal = [
        equal_cost(search, other, observed, pools[other["key"]], unit, draws, seed)
        for search in searches
        if search["compared"] and search["best"] is not None
        for other in searches
        if other["key"] in pools and other.get("seed") in (search.get("seed"), None)
    ]
    return {"observed": observed, "bands": bands, "equal_cost": equal}


def observed_curve(search: Mapping[str, Any], unit: str) -> Observed:
    """Cost and best accuracy so far as it happened, trial after trial; ``steps`` are where a step ends."""
    nets = {net["trial"]: net for net in search["nets"]}
    curves: list[Curve] = []
    steps: list[StepEnd] = []
    spent = 0.0
    for trial in search["trials"]:
        curve = curve_of(nets[trial["trial"]], unit) if trial["trial"] in nets else Curve((), (), trial[unit])
        curves.append(curve)
        spent += curve.total
        if steps and steps[-1]["step"] == trial["step"]:
            steps[-1]["end"] = spent
        else:
            steps.append({"step": trial["step"], "end": spent})
    costs, scores = best_so_far(curves)
    return {"cost": costs, "accuracy": scores, "steps": steps, "spent": spent}


def curve_of(net: Mapping[str, Any], unit: str) -> Curve:
    """A net's accuracies over its cost. A failed net costs too, and is never the best.

    A promoted net starts at 0: its earlier epochs are other trials'.
    """
    before = net["before"][unit]
    told = [e for e in net["epochs"] if e[unit] is not None and e["accuracy"] is not None]
    known = [{**e, unit: e[unit] - before} for e in told if e[unit] > before]
    if net["status"] == FAILED:
        known = []
    elif not known and net["accuracy"] is not None:
        known = [{unit: net[unit], "accuracy": net["accuracy"]}]
    return Curve(tuple(e[unit] for e in known), tuple(e["accuracy"] for e in known), net[unit])


def pool_of(search: Mapping[str, Any], unit: str) -> list[Curve]:
    """The nets that random orders are drawn from: those that ended, well or not."""
    ended = [net for net in search["nets"] if net["status"] in (DONE, FAILED)]
    return [curve for curve in (curve_of(net, unit) for net in ended) if curve.total > 0]


def equal_cost(
    search: Mapping[str, Any],
    other: Mapping[str, Any],
    observed: Mapping[str, Observed],
    pool: list[Curve],
    unit: str,
    draws: int,
    seed: int,
) -> EqualCost:
    """A search against random search at the cost that the cheaper of the two spent.

    An accuracy is None where there is no net yet.
    ``wins`` is the share of the orders in which random search is less accurate there, ties counted half.
    """
    mine = observed[search["key"]]
    at = min(mine["spent"], sum(curve.total for curve in pool))
    until = zip(mine["cost"], mine["accuracy"], strict=True)
    reached = max((score for cost, score in until if cost <= at * (1 + 1e-9)), default=NONE)
    found = bootstrap(pool, [at], draws, seed)[:, 0]
    low, median, high = np.percentile(found, [2.5, 50, 97.5], method="inverted_cdf").tolist()
    wins = float((found < reached).mean() + (found == reached).mean() / 2)
    return {
        "search": search["key"],
        "random": other["key"],
        "at": at,
        "accuracy": known(reached),
        "random_median": known(median),
        "random_low": known(low),
        "random_high": known(high),
        "wins": wins,
        "random_nets": len(pool),
    }
