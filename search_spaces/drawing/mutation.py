"""Neighbours of an architecture: a downsampling moved or swapped, or the operation of a layer changed."""

from __future__ import annotations

import random
from collections.abc import Collection

from ..architecture import Architecture
from ..space import SearchSpace
from ..stride_path import StridePath


def on_path(
    space: SearchSpace, architecture: Architecture, path: StridePath, rng: random.Random
) -> Architecture:
    """The same operations on another path; one that cannot stand there is drawn anew."""
    names = []
    for layer, name in enumerate(architecture.operations, 1):
        candidates = space.candidates(path, layer)
        names.append(name if name in candidates else rng.choice(candidates))
    return Architecture(path, tuple(names), space.stage_layers)


def mutate(
    space: SearchSpace,
    architecture: Architecture,
    rng: random.Random,
    among: Collection[StridePath] | None = None,
) -> Architecture:
    """Draw a neighbour: with even chances one on a neighbouring stride path, or with one other operation.

    With ``among`` its path is the present one or one of these.

    Where there is none of a kind the other kind is taken; the architecture itself where there is none at all.
    """
    moves = [_moved, _changed]
    rng.shuffle(moves)
    for move in moves:
        found = move(space, architecture, rng, among)
        if found is not None:
            return found
    return architecture


def _moved(
    space: SearchSpace, architecture: Architecture, rng: random.Random, among: Collection[StridePath] | None
) -> Architecture | None:
    paths = [path for path in space.paths.neighbours(architecture.path) if among is None or path in among]
    return on_path(space, architecture, rng.choice(paths), rng) if paths else None


def _changed(
    space: SearchSpace, architecture: Architecture, rng: random.Random, _: object
) -> Architecture | None:
    choices = [
        (layer, name)
        for layer, present in enumerate(architecture.operations, 1)
        for name in space.candidates(architecture.path, layer)
        if name != present
    ]
    if not choices:
        return None
    layer, name = rng.choice(choices)
    names = list(architecture.operations)
    names[layer - 1] = name
    return Architecture(architecture.path, tuple(names), space.stage_layers)
