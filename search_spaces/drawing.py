"""Drawing of architectures under a budget of MACs."""

from __future__ import annotations

import random
from collections.abc import Sequence

from autostr_nni.system.errors import InputError

from . import counting
from .architecture import Architecture
from .space import SearchSpace
from .stride_path import StridePath

# Draws before the space is taken to hold next to nothing within the budget.
_DRAWS = 100_000


def sample_within(
    space: SearchSpace, rng: random.Random, max_macs: int, paths: Sequence[StridePath] | None = None
) -> Architecture:
    """Draw an architecture whose backbone has at most ``max_macs`` MACs, each such one with the same chance.

    Args:
        space: where to draw.
        rng: source of randomness.
        max_macs: the budget, stem included.
        paths: draw among those with these stride paths.

    Raises:
        InputError: no architecture keeps to the budget, or none was met in 100 000 draws.
    """
    smallest = counting.smallest_macs(space)
    if smallest <= max_macs:
        for _ in range(_DRAWS):
            architecture = space.sample(rng, paths)
            if counting.total(counting.backbone_costs(architecture, space)).macs <= max_macs:
                return architecture
    raise InputError(
        f"a budget of {max_macs / 1e6:g} M MACs is too small to draw under: "
        f"the smallest architecture of the space has {smallest / 1e6:g} M"
    )
