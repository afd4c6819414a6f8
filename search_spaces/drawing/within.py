"""Architectures within a band of MACs, or of what else a search counts, drawn at random."""

from __future__ import annotations

import random
from collections.abc import Sequence

from autostr_nni.system.errors import InputError

from ..architecture import Architecture
from ..counting import MACS, Price
from ..space import SearchSpace
from ..stride_path import StridePath

# Draws before the space is taken to hold next to nothing within the band.
_DRAWS, _SOON = 100_000, 30


def sample_within(
    space: SearchSpace,
    rng: random.Random,
    most: int,
    paths: Sequence[StridePath] | None = None,
    least: int = 0,
    price: Price = MACS,
) -> Architecture:
    """Draw an architecture whose backbone costs ``least`` to ``most``, each with the same chance.

    Args:
        space: where to draw.
        rng: source of randomness.
        most, least: the band, stem included.
        paths: draw among those with these stride paths.
        price: what costs are counted in.

    Raises:
        InputError: no architecture keeps to the band, or none was met in 100 000 draws.
    """
    for draws in range(_DRAWS):
        if draws == _SOON and price.smallest(space) > most:  # which takes as long as many draws
            break
        architecture = space.sample(rng, paths)
        if least <= price.of(architecture, space) <= most:
            return architecture
    if least:
        raise InputError(
            f"a band of {least / 1e6:g} to {price.said(most)} holds too few architectures to draw "
            "in: widen it"
        )
    smallest = price.smallest(space)
    few = "" if smallest > most else f" none was met in {_DRAWS:,} draws, and"
    raise InputError(
        f"a budget of {price.said(most)} is too small to draw under:{few} "
        f"the smallest architecture of the space has {price.said(smallest)}"
    )


def macs_of(architecture: Architecture, space: SearchSpace) -> int:
    """MACs of the backbone, stem included."""
    return MACS.of(architecture, space)
