"""MACs and parameters of a backbone, computed from its description alone, and what a search counts of it.

MACs are the multiplications of convolutions, as in the paper, which calls them FLOPS. Parameters are all that
learn: weights of convolutions (none has a bias) and scale and shift of batch normalisations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from autostr_nni.system.errors import InputError

from .architecture import Architecture
from .operation import Cost, changes_shape, conv_bn_cost
from .operations import parse, when_registered
from .path_set import State
from .space import Place, SearchSpace
from .stride_path import Stride, StridePath

if TYPE_CHECKING:
    from .latency import LatencyTable

__all__ = [
    "MACS",
    "UNITS",
    "BlockCost",
    "Cost",
    "Kind",
    "Price",
    "backbone_costs",
    "conv_bn_cost",
    "layer_inputs",
    "operation_cost",
    "places",
    "stem_cost",
    "total",
]

Shape = tuple[int, int, int]  # channels, height, width
Kind = Literal["macs", "parameters", "latency"]

MILLION = 1_000_000
#: Figures of a net by which a search can count, and what they are in.
UNITS = {"macs_m": "M MACs", "params_m": "M parameters", "latency_ms": "ms"}
_KEYS: dict[Kind, str] = {"macs": "macs_m", "parameters": "params_m", "latency": "latency_ms"}
# Nanoseconds in which latencies are counted, far finer than they are measured: sums then have few values.
_GRAIN = 100


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


when_registered.append(operation_cost.cache_clear)


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


def places(path: StridePath, space: SearchSpace) -> Iterator[Place]:
    """Where the operation of each layer of a path stands."""
    layers = zip(space.layer_widths, layer_inputs(path, space), path.strides, strict=True)
    for (cin, cout), (h, w), stride in layers:
        yield cin, cout, h, w, stride


@dataclass(frozen=True)
class Price:
    """What a search counts of its nets, and keeps within a budget: whole numbers, a million to the `unit`.

    Attributes:
        kind: MACs of the backbone for one image, its parameters, or the nanoseconds that it takes.
        latency: the table of the device, for latencies.
    """

    kind: Kind = "macs"
    latency: LatencyTable | None = None

    @property
    def key(self) -> str:
        """The figure of a net that has it, in millions (`UNITS`)."""
        return _KEYS[self.kind]

    @property
    def unit(self) -> str:
        """What a million of it is called."""
        return UNITS[self.key]

    @property
    def budget_key(self) -> str:
        """The key of a recipe that says how much a net may have."""
        return "search.operators.budget_m" if self.kind == "macs" else "search.cost.budget"

    def said(self, amount: float) -> str:
        """``312.5 M MACs``, ``4.1 M parameters``, ``3.9 ms``."""
        return f"{amount / MILLION:g} {self.unit}"

    def of_operation(self, op: str, place: Place, projection_skip: bool = False) -> int:
        """That of an operation, as `operation_cost` takes it."""
        if self.latency is not None:
            return round(self.latency.ns(op, *place) / _GRAIN) * _GRAIN
        return self._of_part(operation_cost(op, *place, projection_skip))

    def fixed(self, space: SearchSpace) -> int:
        """That of what all nets have: the stem, and the constant of a table."""
        if self.latency is not None:
            return self.latency.stem_ns + self.latency.constant_ns
        return self._of_part(stem_cost(space))

    def _of_part(self, cost: Cost) -> int:
        return cost.macs if self.kind == "macs" else cost.params

    def layers(self, architecture: Architecture, space: SearchSpace) -> list[int]:
        """That of every layer. Raises InputError where the architecture is not of the space."""
        space.check(architecture)
        layers = zip(architecture.operations, places(architecture.path, space), strict=True)
        return [self.of_operation(op, place, space.projection_skip) for op, place in layers]

    def of(self, architecture: Architecture, space: SearchSpace) -> int:
        """That of a backbone, stem included. Raises InputError where it is not of the space."""
        return self.fixed(space) + sum(self.layers(architecture, space))

    def figure(self, architecture: Architecture, space: SearchSpace) -> float | None:
        """`of` in millions; None for a net of another space than the table is of, such as ASTER's."""
        try:
            return self.of(architecture, space) / MILLION
        except InputError:
            return None

    def table(self, path: StridePath, space: SearchSpace) -> list[dict[str, int]]:
        """That of every candidate of every layer of a path; the stem is not among them."""
        return [
            {op: self.of_operation(op, place, space.projection_skip) for op in space.candidates(path, layer)}
            for layer, place in enumerate(places(path, space), 1)
        ]

    def smallest(self, space: SearchSpace) -> int:
        """The least that an architecture of the space has, without listing them."""
        least: dict[State, int] = {}
        for state, steps in space.paths.live_steps().items():
            ways = [
                least[after] + self.of_operation(op, space.place(state, stride), space.projection_skip)
                for stride, after in steps
                for op in space.candidates_at(state, stride)
            ]
            least[state] = min(ways, default=0)
        return self.fixed(space) + least[space.paths.start]


MACS = Price()
