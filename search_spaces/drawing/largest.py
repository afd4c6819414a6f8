"""The largest architecture within a budget of MACs, or of what else a search counts."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from autostr_nni.system.errors import InputError

from ..architecture import Architecture
from ..counting import MACS, Price
from ..space import SearchSpace
from ..stride_path import Stride, StridePath

# Steps in which costs are counted, at most: all ordinary spaces need fewer to be exact.
_STEPS = 2**22
_BITS = 1000  # of a number that a float still holds


class _Choice(NamedTuple):
    """One way through a layer, to the state after it."""

    stride: Stride
    operation: str
    cost: int
    after: Hashable


_Ways = Mapping[Hashable, Sequence[_Choice]]


def largest_within(
    space: SearchSpace,
    rng: random.Random,
    most: int,
    paths: Sequence[StridePath] | None = None,
    price: Price = MACS,
) -> Architecture:
    """An architecture of the most MACs within a budget; of the many equal ones any, drawn layer by layer.

    Exact where all costs of operations have a common divisor that goes at most 2^22 times into the budget.
    Otherwise a part of the budget in so many is the step, rounded up: the net found keeps to the budget, and
    is short of the largest by a hair at most.

    Args:
        space: where to look.
        rng: source of randomness.
        most: the budget, stem included.
        paths: look among those with these stride paths; None: all of the space.
        price: what is counted, if not MACs.

    Raises:
        InputError: no architecture keeps to the budget.
    """
    room = most - price.fixed(space)
    if paths is None:
        found = [_largest(space, rng, _ways_of_all(space, price), space.paths.start, room)]
    else:
        found = [_largest(space, rng, _ways_of(path, space, price), 0, room) for path in paths]
    known = [net for net in found if net is not None]
    if not known:
        raise InputError(
            f"a budget of {price.said(most)} is too small: "
            f"the smallest architecture of the space has {price.said(price.smallest(space))}"
        )
    reached = max(price.of(net, space) for net in known)
    return rng.choice([net for net in known if price.of(net, space) == reached])


def _ways_of_all(space: SearchSpace, price: Price) -> _Ways:
    """The choices in every state of a path, over all paths; the states that are nearest to the end first."""
    ways: dict[Hashable, list[_Choice]] = {}
    skip = space.projection_skip
    for state, steps in space.paths.live_steps().items():
        ways[state] = [
            _Choice(stride, op, price.of_operation(op, space.place(state, stride), skip), after)
            for stride, after in steps
            for op in space.candidates_at(state, stride)
        ]
    return ways


def _ways_of(path: StridePath, space: SearchSpace, price: Price) -> _Ways:
    """The same on one path; a state is the number of layers behind it."""
    ways: dict[Hashable, list[_Choice]] = {space.layers: []}
    table = price.table(path, space)
    for layer in reversed(range(space.layers)):
        ways[layer] = [_Choice(path.strides[layer], op, cost, layer + 1) for op, cost in table[layer].items()]
    return ways


def _largest(
    space: SearchSpace, rng: random.Random, ways: _Ways, start: Hashable, room: int
) -> Architecture | None:
    """Draw among the choices that use up the most of the room; None where no net costs so little.

    A choice weighs as much as there are nets, of any cost, that go on from it: stride paths are not favoured
    for halving early.
    """
    if room < 0:
        return None
    divisor = math.gcd(*(choice.cost for choices in ways.values() for choice in choices))
    step = max(divisor, -(-room // _STEPS), 1)
    within = (1 << (room // step + 1)) - 1
    sums: dict[Hashable, int] = {}  # bit k of a state: the layers after it can have k steps of cost
    nets: dict[Hashable, int] = {}
    for state, choices in ways.items():
        sums[state] = 0 if choices else 1
        nets[state] = sum(nets.get(choice.after, 0) for choice in choices) if choices else 1
        for choice in choices:
            sums[state] |= sums.get(choice.after, 0) << -(-choice.cost // step)
        sums[state] &= within
    left, state = sums[start].bit_length() - 1, start
    strides, names = [], []
    while left >= 0 and ways[state]:
        after = [(choice, left - -(-choice.cost // step)) for choice in ways[state]]
        fit = [
            (choice, rest) for choice, rest in after if rest >= 0 and sums.get(choice.after, 0) >> rest & 1
        ]
        counts = [nets[choice.after] for choice, _ in fit]
        beyond = max(0, max(counts).bit_length() - _BITS)  # as in spaces of hundreds of layers
        choice, left = rng.choices(fit, [count >> beyond for count in counts])[0]
        strides.append(choice.stride)
        names.append(choice.operation)
        state = choice.after
    if not names:
        return None
    return Architecture(StridePath(tuple(strides)), tuple(names), space.stage_layers)
