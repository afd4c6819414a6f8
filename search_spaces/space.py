"""The search space of backbones: stride paths and operations in stages of growing width."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autostr_nni.system.errors import InputError

from . import operations as ops
from .architecture import Architecture
from .fields import check_numbers, check_operations, check_stages
from .operations import DEFAULT_OPERATION, OPERATIONS
from .path_set import PathSet, State
from .stride_path import KEEP, STAGE_LAYERS, Stride, StridePath

Place = tuple[int, int, int, int, Stride]  # of an operation: channels in and out, height, width, stride


@dataclass(frozen=True)
class SearchSpace:
    """All backbones that can be found; the defaults are the paper's (section 3.2 and 4.2).

    Attributes:
        height, width: size of the image that the backbone sees.
        out_height, out_width: size of the feature sequence, read as out_height * out_width steps.
        stem_width: channels of the stem, a 3x3 convolution that keeps the size.
        stage_widths, stage_layers: channels and number of layers of each stage.
        operations: the candidates of a layer.
        projection_skip: offer `skip` also where a layer changes the shape, as pooling and a 1x1 convolution.
        alphabet: the strides other than (1, 1) that a layer may have.

    Raises:
        InputError: a field is impossible; the message names it.
    """

    height: int = 32
    width: int = 100
    out_height: int = 1
    out_width: int = 25
    stem_width: int = 32
    stage_widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    stage_layers: tuple[int, ...] = STAGE_LAYERS
    operations: tuple[str, ...] = OPERATIONS
    projection_skip: bool = False
    alphabet: tuple[Stride, ...] = ((2, 2), (2, 1))

    def __post_init__(self) -> None:
        check_numbers(self)
        # Lists come from recipes; the space must be hashable.
        for name in ("stage_widths", "stage_layers", "operations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "alphabet", tuple((int(h), int(w)) for h, w in self.alphabet))
        check_stages(self)
        check_operations(self.operations)
        if not self.paths.count():
            raise InputError(
                f"no stride path of {self.layers} layers leads from {self.height}x{self.width} to "
                f"{self.out_height}x{self.out_width} with the strides {[*self.alphabet, KEEP]}; "
                "an image is height, width, and model.strides may hold others (docs/shape.md)"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is cached out of pickles: NNI sends spaces to trials that way."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def layers(self) -> int:
        """The number of searched layers; the stem is not one."""
        return sum(self.stage_layers)

    @cached_property
    def paths(self) -> PathSet:
        """The feasible stride paths, P of Eq. 1."""
        return PathSet(self.height, self.width, self.out_height, self.out_width, self.layers, self.alphabet)

    def typical_paths(self) -> list[StridePath]:
        """List the paths that downsample at first layers of stages only: the ten of section 3.3."""
        return self.paths.typical(self.stage_layers)

    @cached_property
    def layer_widths(self) -> tuple[tuple[int, int], ...]:
        """Channels (in, out) of every layer."""
        outs = [
            width
            for width, layers in zip(self.stage_widths, self.stage_layers, strict=True)
            for _ in range(layers)
        ]
        return tuple(zip([self.stem_width, *outs[:-1]], outs, strict=True))

    def place(self, state: State, stride: Stride) -> Place:
        """Where an operation stands that has a stride in a state of a path."""
        left, factor_h, factor_w = state
        cin, cout = self.layer_widths[self.layers - left]
        return cin, cout, self.out_height * factor_h, self.out_width * factor_w, stride

    def candidates_at(self, state: State, stride: Stride) -> tuple[str, ...]:
        """List the operations that may stand there."""
        cin, cout, *_ = self.place(state, stride)
        return self.layer_candidates(stride, cin, cout)

    def layer_candidates(
        self, stride: Stride, cin: int, cout: int, projection_skip: bool | None = None
    ) -> tuple[str, ...]:
        """List the operations that may stand where a stride and widths are given."""
        if projection_skip is None:
            projection_skip = self.projection_skip
        if stride == KEEP and cin == cout:
            return self.operations
        return self._where_shape_changes[projection_skip]

    @cached_property
    def _where_shape_changes(self) -> dict[bool, tuple[str, ...]]:
        """The operations that may stand where the shape changes, without and with `projection_skip`."""
        return {
            projection: tuple(name for name in self.operations if ops.parse(name).fits(True, projection))
            for projection in (False, True)
        }

    def candidates(self, path: StridePath, layer: int) -> tuple[str, ...]:
        """List the operations that a layer, counted from 1, may have on a path."""
        return self.layer_candidates(path.strides[layer - 1], *self.layer_widths[layer - 1])

    def _ways(self, projection_skip: bool) -> dict[State, int]:
        """How many ends, strides and operations together, there are from each state of a path."""
        ways: dict[State, int] = {}
        for state in self.paths.states():
            if state[0] == 0:
                ways[state] = int(state[1:] == KEEP)
                continue
            widths = self.layer_widths[self.layers - state[0]]
            ways[state] = sum(
                len(self.layer_candidates(stride, *widths, projection_skip)) * ways[after]
                for stride, after in self.paths.steps(state)
            )
        return ways

    @cached_property
    def _own_ways(self) -> dict[State, int]:
        return self._ways(self.projection_skip)

    def size(self, projection_skip: bool | None = None) -> int:
        """Count the architectures exactly, without listing them.

        Args:
            projection_skip: count as if the space had this setting; None: as it is.
        """
        if projection_skip is None or projection_skip == self.projection_skip:
            return self._own_ways[self.paths.start]
        return self._ways(projection_skip)[self.paths.start]

    def at(self, index: int) -> Architecture:
        """Give the architecture at a place, from 0 to size - 1: every architecture has exactly one."""
        if not 0 <= index < self.size():
            raise IndexError(f"architecture {index} of {self.size()}")
        strides, names = [], []
        state = self.paths.start
        while state[0]:
            widths = self.layer_widths[self.layers - state[0]]
            for stride, after in self.paths.steps(state):
                candidates = self.layer_candidates(stride, *widths)
                ways = self._own_ways[after]
                if index < len(candidates) * ways:
                    operation, index = divmod(index, ways)
                    strides.append(stride)
                    names.append(candidates[operation])
                    state = after
                    break
                index -= len(candidates) * ways
        return Architecture(StridePath(tuple(strides)), tuple(names), self.stage_layers)

    def sample(self, rng: random.Random, paths: Sequence[StridePath] | None = None) -> Architecture:
        """Draw an architecture, each with the same chance; with ``paths``, among those on these.

        `drawing.sample_within` draws under a budget of MACs.
        """
        if paths is None:
            return self.at(rng.randrange(self.size()))
        weights = [0]
        for path in paths:
            weight = 1
            for layer in range(1, self.layers + 1):
                weight *= len(self.candidates(path, layer))
            weights.append(weights[-1] + weight)
        place = rng.randrange(weights[-1])
        path = next(path for path, end in zip(paths, weights[1:], strict=True) if place < end)
        names = tuple(rng.choice(self.candidates(path, layer)) for layer in range(1, self.layers + 1))
        return Architecture(path, names, self.stage_layers)

    def default_architecture(self, path: StridePath, operation: str = DEFAULT_OPERATION) -> Architecture:
        """Give a path the same operation in every layer, as step 1 does to compare paths."""
        return Architecture(path, (operation,) * self.layers, self.stage_layers)

    def check(self, architecture: Architecture) -> None:
        """Refuse an architecture that is not of this space.

        The default operation `res3` passes in any layer: step 1 and ASTER use it.

        Raises:
            InputError: naming the path, or the layer and its operation.
        """
        reason = self.paths.why_not(architecture.path)
        if reason:
            text = architecture.path.text(self.stage_layers)
            raise InputError(f"stride path {text} is not feasible in this space: {reason}")
        for layer, name in enumerate(architecture.operations, 1):
            if name == DEFAULT_OPERATION or name in self.candidates(architecture.path, layer):
                continue
            if name in self.operations:
                allow = ", or allow projection_skip" if ops.parse(name).fits(True, True) else ""
                raise InputError(
                    f"layer {layer} changes the shape and cannot be {name}: choose another operation{allow}"
                )
            known = ", ".join([*self.operations, DEFAULT_OPERATION])
            raise InputError(f"layer {layer}: operation {name} is not of this space, which has {known}")

    def describe(self) -> dict[str, Any]:
        """Give all fields as plain JSON values."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
