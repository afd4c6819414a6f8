"""Which nets the table holds, in the order in which they are trained: a part of it is of use already."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.operations import DEFAULT_OPERATION
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath

#: MACs of the random nets and of the neighbours, from and to.
BAND = (2_000_000, 4_000_000)
RANDOM, REPEATED = 240, 40
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Entry:
    """A net to be trained with a seed; `group` says why it is in the table."""

    group: str  # random | typical | neighbour
    architecture: Architecture
    seed: int = 0

    @property
    def key(self) -> str:
        """Unique in the table."""
        return f"{self.architecture.text} {self.seed}"


def random_nets(space: SearchSpace, count: int = RANDOM, seed: int = 0) -> list[Architecture]:
    """Distinct architectures within the band of MACs, each such one with the same chance."""
    rng = random.Random(seed)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        architecture = sample_within(space, rng, BAND[1], least=BAND[0])
        found.setdefault(architecture.text, architecture)
    return list(found.values())


def typical_nets(space: SearchSpace) -> list[Architecture]:
    """The ten typical paths with each default operation in every layer, whatever their MACs."""
    operations = (DEFAULT_OPERATION, *(name for name in space.operations if name != "skip"))
    return [space.default_architecture(path, name) for name in operations for path in space.typical_paths()]


def entries(space: SearchSpace) -> Iterator[Entry]:
    """Everything but the neighbours, which depend on the best net of these."""
    drawn = random_nets(space)
    half = RANDOM // 2
    yield from (Entry("random", net) for net in drawn[:half])
    yield from (Entry("typical", net) for net in typical_nets(space))
    for seed in SEEDS[1:]:
        yield from (Entry("random", net, seed) for net in drawn[:REPEATED])
    yield from (Entry("random", net) for net in drawn[half:])


def neighbours(space: SearchSpace, best: Architecture) -> Iterator[Entry]:
    """Nets on every path next to the best one's, with its operations; k3e1 where skip cannot stand."""
    for path in space.paths.neighbours(best.path):
        yield Entry("neighbour", _moved(space, best, path))


def _moved(space: SearchSpace, net: Architecture, path: StridePath) -> Architecture:
    names = tuple(
        name if name in space.candidates(path, layer) else "k3e1"
        for layer, name in enumerate(net.operations, 1)
    )
    return Architecture(path, names, space.stage_layers)
