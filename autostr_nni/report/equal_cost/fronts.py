"""The fronts of searches along cost and accuracy, and random search's beside them at equal images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autostr_nni.report.equal_cost.records import Front, FrontAtEqualCost
from autostr_nni.report.reading.history import DONE, FAILED
from autostr_nni.report.seeds.groups import members
from autostr_nni.strategies.front import Point, hypervolume

_JUST = 1 + 1e-9  # of a cost: sums of seconds and images are no exact numbers


def front_data(searches: Sequence[Mapping[str, Any]], draws: int, seed: int) -> Front | None:
    """The hypervolumes of all nets that each search has trained, on validation words.

    That of costs from the cheapest of all these nets to the dearest: the mean, over all budgets between, of
    the best accuracy within the budget (`strategies.front.hypervolume`). None where no search was asked for a
    front, or all nets cost the same.
    """
    drawn = [{**search, **members(search)[0]} for search in searches]  # the largest net is no draw
    asked = [net for search in searches if search["front"] for net in search["nets"]]
    cost = next((net["cost"] for net in asked if "cost" in net), "macs_m")
    ended = [net for search in searches for net in search["nets"] if net["status"] == DONE]
    if any(net.get(cost) is None for net in ended):  # a search counted by something else: all have MACs
        cost = "macs_m"
    costs = [p[0] for search in searches for _, p in trained(search["nets"], cost) if p is not None]
    if not any(search["front"] for search in searches) or not costs or min(costs) == max(costs):
        return None
    low, high = min(costs), max(costs)
    volumes = {
        search["key"]: hypervolume([p for _, p in trained(search["nets"], cost) if p is not None], low, high)
        for search in searches
    }
    equal = [
        at_equal_cost(search, other, cost, (low, high), draws, seed)
        for search, whole in zip(drawn, searches, strict=True)
        if search["compared"] and whole["front"]
        for other in drawn
        if other["baseline"]
        and trained(other["nets"], cost)
        and other.get("seed") in (search.get("seed"), None)
    ]
    return {"cost": cost, "low": low, "high": high, "hypervolume": volumes, "equal_cost": equal}


def trained(nets: Sequence[Mapping[str, Any]], cost: str) -> list[tuple[float, Point | None]]:
    """Images and (cost, accuracy) of the nets that ended, in their order; None for what came to nothing.

    1-CER can be below 0, where a net is of no more use than none.
    """
    found: list[tuple[float, Point | None]] = []
    for net in nets:
        known = net["status"] == DONE and net.get(cost) is not None and net["accuracy"] is not None
        if net["status"] in (DONE, FAILED):
            found.append((net["images"], (net[cost], max(0.0, net["accuracy"])) if known else None))
    return found


def at_equal_cost(
    search: Mapping[str, Any],
    other: Mapping[str, Any],
    cost: str,
    band: tuple[float, float],
    draws: int,
    seed: int,
) -> FrontAtEqualCost:
    """A search's front against that of random search, at the images that the cheaper of the two has seen.

    Both have the nets whose training had ended by then, random search those of draws with replacement.
    """
    pool = trained(other["nets"], cost)
    spent = sum(trial["images"] for trial in search["trials"])
    at = min(spent, sum(images for images, _ in pool))
    mine = hypervolume(reached(search, at, cost), *band)
    found = np.array(random_volumes(pool, at, *band, draws, seed))
    lowest, median, highest = np.percentile(found, [2.5, 50, 97.5], method="inverted_cdf").tolist()
    return {
        "search": search["key"],
        "random": other["key"],
        "at": at,
        "hypervolume": mine,
        "random_median": median,
        "random_low": lowest,
        "random_high": highest,
        "wins": float((found < mine).mean() + (found == mine).mean() / 2),
        "random_nets": len(pool),
    }


def reached(search: Mapping[str, Any], at: float, cost: str) -> list[Point]:
    """The nets that a search had trained by so many images, all its trials counted."""
    nets = {net["trial"]: net for net in search["nets"]}
    spent, found = 0.0, []
    for trial in search["trials"]:
        spent += trial["images"]
        if trial["trial"] in nets and spent <= at * _JUST:
            found += [point for _, point in trained([nets[trial["trial"]]], cost) if point is not None]
    return found


def random_volumes(
    pool: Sequence[tuple[float, Point | None]], at: float, low: float, high: float, draws: int, seed: int
) -> list[float]:
    """The hypervolume of random search by so many images, for each of so many orders of its nets."""
    costs = [images for images, _ in pool if images > 0]
    longest = min(50 * len(pool), math.ceil(at / min(costs)) + 1) if costs else 0
    rng = np.random.default_rng(seed)
    found = []
    for order in rng.integers(len(pool), size=(draws, longest)):
        spent, points = 0.0, []
        for index in order:
            images, point = pool[index]
            spent += images
            if spent > at * _JUST:
                break
            points += [] if point is None else [point]
        found.append(hypervolume(points, low, high))
    return found
