"""MACs and parameters of a backbone, computed from its description alone.

MACs are the multiplications of convolutions, as in the paper, which calls them FLOPS. Parameters are all that
learn: weights of convolutions (none has a bias) and scale and shift of batch normalisations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .architecture import Architecture
from .cost import Cost, conv_bn_cost
from .operation import changes_shape
from .operations import parse
from .path_set import State
from .space import SearchSpace
from .stride_path import KEEP, Stride, StridePath

__all__ = [
    "BlockCost",
    "Cost",
    "backbone_costs",
    "conv_bn_cost",
    "cost_table",
    "layer_inputs",
    "operation_cost",
    "smallest_macs",
    "stem_cost",
    "total",
]

Shape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class BlockCost:
    """The cost of one block of a backbone: `stem`, or `layer 1` and so on; shapes are (c, h, w)."""

    name: str
    operation: str
    in_shape: Shape
    out_shape: Shape
    macs: int
    params: int


@lru_cache(maxsize=100_000)
def operation_cost(
    op: str, cin: int, cout: int, h: int, w: int, stride: Stride, projection_skip: bool = False
) -> Cost:
    """Cost an operation on a cin x h x w input.

    Args:
        op: name of the operation.
        cin, cout: channels in and out.
        h, w: height and width of the input.
        stride: (height, width) stride; a size that it does not divide is rounded up.
        projection_skip: whether `skip` may change the shape, as average pooling and a 1x1 convolution.

    Raises:
        InputError: no such operation.
        ValueError: the shape changes, and the operation keeps it.
    """
    operation = parse(op)
    if not operation.fits(changes_shape(cin, cout, stride), projection_skip):
        raise ValueError(f"{op} cannot lead from {cin} channels to {cout} with stride {stride}")
    return operation.cost(cin, cout, h, w, stride)


def stem_cost(space: SearchSpace) -> Cost:
    """Cost the 3x3 convolution from RGB that precedes the layers."""
    return conv_bn_cost(3, space.stem_width, 3, space.height, space.width)


def layer_inputs(path: StridePath, space: SearchSpace) -> list[tuple[int, int]]:
    """List the (height, width) that enters each layer."""
    return [(space.height, space.width), *path.resolutions(space.height, space.width)[:-1]]


def backbone_costs(architecture: Architecture, space: SearchSpace) -> list[BlockCost]:
    """Cost every block of a backbone, the stem first.

    Raises:
        InputError: the architecture is not of the space.
    """
    space.check(architecture)
    shape: Shape = (space.stem_width, space.height, space.width)
    stem = stem_cost(space)
    costs = [BlockCost("stem", "conv3x3", (3, space.height, space.width), shape, stem.macs, stem.params)]
    sizes = architecture.path.resolutions(space.height, space.width)
    layers = zip(architecture.operations, space.layer_widths, architecture.path.strides, sizes, strict=True)
    for layer, (op, (cin, cout), stride, size) in enumerate(layers, 1):
        cost = operation_cost(op, cin, cout, shape[1], shape[2], stride, space.projection_skip)
        out_shape = (cout, *size)
        costs.append(BlockCost(f"layer {layer}", op, shape, out_shape, cost.macs, cost.params))
        shape = out_shape
    return costs


def total(costs: Iterable[BlockCost | Cost]) -> Cost:
    """Add costs up."""
    return sum((Cost(cost.macs, cost.params) for cost in costs), Cost())


def cost_table(path: StridePath, space: SearchSpace) -> list[dict[str, Cost]]:
    """Cost every candidate of every layer of a path; the stem is not among them."""
    table = []
    for layer, ((h, w), (cin, cout)) in enumerate(
        zip(layer_inputs(path, space), space.layer_widths, strict=True), 1
    ):
        stride = path.strides[layer - 1]
        candidates = space.candidates(path, layer)
        table.append(
            {op: operation_cost(op, cin, cout, h, w, stride, space.projection_skip) for op in candidates}
        )
    return table


def smallest_macs(space: SearchSpace) -> int:
    """Give the fewest MACs that an architecture of the space has, stem included, without listing them."""
    least: dict[State, float] = {}
    for state in space.paths.states():
        left, factor_h, factor_w = state
        if left == 0:
            least[state] = 0 if (factor_h, factor_w) == KEEP else float("inf")
            continue
        layer = space.layers - left
        cin, cout = space.layer_widths[layer]
        h, w = space.out_height * factor_h, space.out_width * factor_w
        least[state] = min(
            least[after]
            + min(
                operation_cost(op, cin, cout, h, w, stride, space.projection_skip).macs
                for op in space.layer_candidates(stride, cin, cout)
            )
            for stride, after in space.paths.steps(state)
        )
    return stem_cost(space).macs + int(least[space.paths.start])
