"""The nets within which blocks are timed. Light: no torch.

A block that is repeated alone finds its weights and its input in the nearest cache, and starts when nothing
else has just ended. So blocks are timed where they are used: within nets, each between others that are drawn
anew in every round.
"""

from __future__ import annotations

import random

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.latency import Block, blocks_of, state_blocks
from autostr_nni.search_spaces.path_set import State
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import Stride, StridePath
from autostr_nni.system.errors import InputError

_Step = tuple[State, Stride]


def covering(space: SearchSpace, rng: random.Random) -> list[Architecture]:
    """Few nets that have every block of the space at least once: each has as many new ones as it can."""
    steps = space.paths.live_steps()
    blocks = {
        (state, stride): state_blocks(space, state, stride) for state in steps for stride, _ in steps[state]
    }
    missing = set(blocks_of(space))
    nets = []
    while missing:
        path = _richest(space, steps, blocks, missing, rng)
        operations = []
        for step in path:
            block = rng.choice([block for block in blocks[step] if block in missing] or blocks[step])
            missing.discard(block)
            operations.append(block[0])
        strides = StridePath(tuple(stride for _, stride in path))
        nets.append(Architecture(strides, tuple(operations), space.stage_layers))
    return nets


def _richest(
    space: SearchSpace,
    steps: dict[State, list[tuple[Stride, State]]],
    blocks: dict[_Step, list[Block]],
    missing: set[Block],
    rng: random.Random,
) -> list[_Step]:
    """The path along which most blocks are missing; of equal ones any."""
    gain: dict[State, float] = {}
    best: dict[State, tuple[Stride, State]] = {}
    for state, ways in steps.items():  # the states nearest to the end first
        gain[state] = 0.0
        for stride, after in ways:
            new = sum(block in missing for block in blocks[state, stride])
            value = gain[after] + new + rng.random() / 1e4
            if value >= gain[state]:
                gain[state], best[state] = value, (stride, after)
    path, state = [], space.paths.start
    while state[0]:
        stride, after = best[state]
        path.append((state, stride))
        state = after
    return path


def drawn(space: SearchSpace, count: int, rng: random.Random) -> list[Architecture]:
    """So many different architectures, each as likely as any other.

    Raises:
        InputError: the space has fewer.
    """
    if space.size() < count:
        raise InputError(
            f"the space has {space.size()} architectures, and a table is checked on {count} different ones: "
            "widen the space"
        )
    found: dict[Architecture, None] = {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)
