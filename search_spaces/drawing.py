"""Architectures within a band of MACs: drawn at random, and the largest one."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from autostr_nni.system.errors import InputError

from . import counting
from .architecture import Architecture
from .space import SearchSpace
from .stride_path import KEEP, Stride, StridePath

# Draws before the space is taken to hold next to nothing within the band.
_DRAWS = 100_000
# Steps in which MACs are counted for the largest net, at most: all ordinary spaces need fewer to be exact.
_STEPS = 2**22


def sample_within(
    space: SearchSpace,
    rng: random.Random,
    max_macs: int,
    paths: Sequence[StridePath] | None = None,
    min_macs: int = 0,
) -> Architecture:
    """Draw an architecture whose backbone has ``min_macs`` to ``max_macs`` MACs, each with the same chance.

    Args:
        space: where to draw.
        rng: source of randomness.
        max_macs, min_macs: the band, stem included.
        paths: draw among those with these stride paths.

    Raises:
        InputError: no architecture keeps to the band, or none was met in 100 000 draws.
    """
    smallest = counting.smallest_macs(space)
    if smallest <= max_macs:
        for _ in range(_DRAWS):
            architecture = space.sample(rng, paths)
            if min_macs <= macs_of(architecture, space) <= max_macs:
                return architecture
    if min_macs:
        raise InputError(
            f"a band of {min_macs / 1e6:g} to {max_macs / 1e6:g} M MACs holds too few architectures to draw "
            "in: widen it"
        )
    raise InputError(
        f"a budget of {max_macs / 1e6:g} M MACs is too small to draw under: "
        f"the smallest architecture of the space has {smallest / 1e6:g} M"
    )


def macs_of(architecture: Architecture, space: SearchSpace) -> int:
    """MACs of the backbone, stem included."""
    return counting.total(counting.backbone_costs(architecture, space)).macs


class _Choice(NamedTuple):
    """One way through a layer, to the state after it."""

    stride: Stride
    operation: str
    macs: int
    after: Hashable


_Ways = Mapping[Hashable, Sequence[_Choice]]


def largest_within(
    space: SearchSpace, rng: random.Random, max_macs: int, paths: Sequence[StridePath] | None = None
) -> Architecture:
    """An architecture of the most MACs within a budget; of the many equal ones any, drawn layer by layer.

    Exact where the MACs of all operations have a common divisor that goes at most 2^22 times into the budget.
    Otherwise a part of the budget in so many is the step, rounded up: the net found keeps to the budget, and
    is short of the largest by a hair at most.

    Args:
        space: where to look.
        rng: source of randomness.
        max_macs: the budget, stem included.
        paths: look among those with these stride paths; None: all of the space.

    Raises:
        InputError: no architecture keeps to the budget.
    """
    room = max_macs - counting.stem_cost(space).macs
    if paths is None:
        found = [_largest(space, rng, _ways_of_all(space), space.paths.start, room)]
    else:
        found = [_largest(space, rng, _ways_of(path, space), 0, room) for path in paths]
    known = [net for net in found if net is not None]
    if not known:
        raise InputError(
            f"a budget of {max_macs / 1e6:g} M MACs is too small: "
            f"the smallest architecture of the space has {counting.smallest_macs(space) / 1e6:g} M"
        )
    most = max(macs_of(net, space) for net in known)
    return rng.choice([net for net in known if macs_of(net, space) == most])


def _ways_of_all(space: SearchSpace) -> _Ways:
    """The choices in every state of a path, over all paths; the states that are nearest to the end first."""
    ways: dict[Hashable, list[_Choice]] = {}
    for state in space.paths.states():
        left, factor_h, factor_w = state
        if left == 0:
            if (factor_h, factor_w) == KEEP:
                ways[state] = []
            continue
        cin, cout = space.layer_widths[space.layers - left]
        h, w = space.out_height * factor_h, space.out_width * factor_w
        ways[state] = [
            _Choice(stride, op, _macs(space, op, cin, cout, h, w, stride), after)
            for stride, after in space.paths.steps(state)
            for op in space.layer_candidates(stride, cin, cout)
        ]
    return ways


def _macs(space: SearchSpace, op: str, cin: int, cout: int, h: int, w: int, stride: Stride) -> int:
    return counting.operation_cost(op, cin, cout, h, w, stride, space.projection_skip).macs


def _ways_of(path: StridePath, space: SearchSpace) -> _Ways:
    """The same on one path; a state is the number of layers behind it."""
    ways: dict[Hashable, list[_Choice]] = {space.layers: []}
    table = counting.cost_table(path, space)
    for layer in reversed(range(space.layers)):
        ways[layer] = [
            _Choice(path.strides[layer], op, cost.macs, layer + 1) for op, cost in table[layer].items()
        ]
    return ways


def _largest(
    space: SearchSpace, rng: random.Random, ways: _Ways, start: Hashable, room: int
) -> Architecture | None:
    """Draw among the choices that use up the most of the room; None where no net has so few MACs.

    A choice weighs as much as there are nets, of any MACs, that go on from it: stride paths are not favoured
    for halving early.
    """
    if room < 0:
        return None
    divisor = math.gcd(*(choice.macs for choices in ways.values() for choice in choices))
    step = max(divisor, -(-room // _STEPS), 1)
    within = (1 << (room // step + 1)) - 1
    sums: dict[Hashable, int] = {}  # bit k of a state: the layers after it can have k steps of MACs
    nets: dict[Hashable, int] = {}
    for state, choices in ways.items():
        sums[state] = 0 if choices else 1
        nets[state] = sum(nets.get(choice.after, 0) for choice in choices) if choices else 1
        for choice in choices:
            sums[state] |= sums.get(choice.after, 0) << -(-choice.macs // step)
        sums[state] &= within
    left, state = sums[start].bit_length() - 1, start
    strides, names = [], []
    while left >= 0 and ways[state]:
        after = [(choice, left - -(-choice.macs // step)) for choice in ways[state]]
        fit = [
            (choice, rest) for choice, rest in after if rest >= 0 and sums.get(choice.after, 0) >> rest & 1
        ]
        choice, left = rng.choices(fit, [nets[choice.after] for choice, _ in fit])[0]
        strides.append(choice.stride)
        names.append(choice.operation)
        state = choice.after
    if not names:
        return None
    return Architecture(StridePath(tuple(strides)), tuple(names), space.stage_layers)
