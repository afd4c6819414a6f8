"""Nets within a budget, where every layer chooses for itself: the most probable one, and draws.

Layer l has candidates of log probability ``log_p[l]`` that cost ``costs[l]``, in MACs or what else a price
counts; a net is one candidate per layer, and ``room`` is what its layers may cost together. Light: no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from autostr_nni.search_spaces.counting import MACS, Price
from autostr_nni.system.errors import InputError

LogP = Sequence[Sequence[float]]
Costs = Sequence[Sequence[int]]

# Steps in which costs are counted for draws, at most: all ordinary spaces need fewer to be exact.
_STEPS = 2**20
# Log probabilities so far below the largest make no difference in double precision.
_LOWEST = -40.0


def most_probable_within(log_p: LogP, costs: Costs, room: int, price: Price = MACS) -> list[int]:
    """The most probable net within the room, exactly; of equally probable ones the cheapest.

    A dynamic programme over the layers: of all beginnings that leave room for the cheapest rest, those are
    kept that are more probable than every cheaper one.

    Raises:
        InputError: no net is within the room.
    """
    _check_room(costs, room, price)
    rest = sum(min(layer) for layer in costs)
    totals, scores = np.zeros(1, np.int64), np.zeros(1)
    back: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for p, c in zip(log_p, costs, strict=True):
        rest -= min(c)
        sums = (np.asarray(c, np.int64)[:, None] + totals).ravel()
        likely = (np.asarray(p, np.float64)[:, None] + scores).ravel()
        places = np.flatnonzero(sums + rest <= room)
        places = places[np.lexsort((-likely[places], sums[places]))]
        best_before = np.maximum.accumulate(np.concatenate([[-np.inf], likely[places][:-1]]))
        places = places[likely[places] > best_before]
        back.append(np.divmod(places, len(totals)))
        totals, scores = sums[places], likely[places]
    place, found = len(scores) - 1, []  # the dearest that is left is the most probable
    for candidates, beginnings in reversed(back):
        found.append(int(candidates[place]))
        place = int(beginnings[place])
    return found[::-1]


def draw_within(
    log_p: LogP, costs: Costs, room: int, choose: Callable[[Sequence[float]], int], price: Price = MACS
) -> list[int]:
    """Draw a net by the probabilities, given that it is within the room: none is tried in vain.

    Each layer is drawn by its probabilities times the chance that the layers after it keep to what is then
    left, which a table over costs tells. It is exact where the greatest common divisor of the differences of
    costs goes at most 2^20 times into the room. Otherwise a millionth of the room is the step, rounded up: no
    net over the budget is drawn, nor the few that come within a hair of it.

    Args:
        choose: draws a place by weights, which need not add up to 1.

    Raises:
        InputError: no net is within the room.
    """
    _check_room(costs, room, price)
    room -= sum(min(layer) for layer in costs)
    more = [[c - min(layer) for c in layer] for layer in costs]
    step = max(math.gcd(*(m for layer in more for m in layer)), -(-room // _STEPS), 1)
    steps = tuple(tuple(-(-m // step) for m in layer) for layer in more)
    chances = tuple(tuple(math.exp(max(p - max(layer), _LOWEST)) for p in layer) for layer in log_p)
    left, found = room // step, []
    for layer, table in enumerate(_tables(chances, steps, left)):
        fits = zip(chances[layer], steps[layer], strict=True)
        weights = [p * float(table[left - s]) if s <= left else 0.0 for p, s in fits]
        found.append(choose(weights))
        left -= steps[layer][found[-1]]
    return found


@lru_cache(maxsize=1)  # many draws come between two changes of the probabilities
def _tables(
    chances: tuple[tuple[float, ...], ...], steps: tuple[tuple[int, ...], ...], room: int
) -> list[NDArray[np.float64]]:
    """For every layer, the chance that all after it need at most 0, 1, … ``room`` steps, times a constant."""
    table = np.ones(room + 1)
    tables = [table]
    for layer, needed in zip(reversed(chances[1:]), reversed(steps[1:]), strict=True):
        before = np.zeros(room + 1)
        for p, s in zip(layer, needed, strict=True):
            if s <= room:
                before[s:] += p * table[: room + 1 - s]
        table = before / before[-1]
        tables.append(table)
    return tables[::-1]


def _check_room(costs: Costs, room: int, price: Price) -> None:
    least = sum(min(layer) for layer in costs)
    if least > room:
        raise InputError(
            f"{price.budget_key}: the smallest net on this path is {price.said(least - room)} over the "
            "budget; raise the budget"
        )
