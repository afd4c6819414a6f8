"""Architectures with a name."""

from __future__ import annotations

import difflib

from autostr_nni.system.errors import InputError

from .architecture import Architecture
from .operations import DEFAULT_OPERATION
from .stride_path import STAGE_LAYERS, StridePath

ASTER_STAGE_LAYERS = (3, 4, 6, 6, 3)

# Name: path, operations (one stands for every layer), layers per stage.
NAMED: dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = {
    # Found by the paper's authors on IIIT5K (Figure 5): 246.739 M MACs and 2 364 128 parameters at 32x100.
    "autostr-iiit5k": (
        "ABABB",
        (*["k5e6"] * 7, "k5e3", "k5e6", "k5e6", "k3e3", "k5e3", "k5e3", "skip", "skip"),
        STAGE_LAYERS,
    ),
    # The baseline of Table 4 and Figure 6: the largest operation everywhere.
    "mbconv-k5e6": ("ABABB", ("k5e6",), STAGE_LAYERS),
    # The residual network of ASTER, which the paper compares with; it is outside the search space.
    "aster": ("AABBB", (DEFAULT_OPERATION,), ASTER_STAGE_LAYERS),
}


def lookup(name: str) -> tuple[Architecture, tuple[int, ...]]:
    """Give an architecture by name, and the layers per stage of the space it belongs to.

    Raises:
        InputError: no such name.
    """
    if name not in NAMED:
        near = difflib.get_close_matches(name, NAMED, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"unknown architecture {name!r}: the names are {', '.join(NAMED)}{hint}")
    path, operations, stage_layers = NAMED[name]
    if len(operations) == 1:
        operations = operations * sum(stage_layers)
    return Architecture(StridePath.parse(path, stage_layers), operations, stage_layers), stage_layers
