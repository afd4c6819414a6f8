"""The feasible stride paths, P of Eq. 1 of the AutoSTR paper, counted and drawn from without listing."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from autostr_nni.system.errors import InputError

from .stride_path import KEEP, LETTER_OF, STAGE_LAYERS, Stride, StridePath

# What is left to do: (layers left, factor of the height left, factor of the width left).
State = tuple[int, int, int]
# One way on from a state: the number of paths that go that way, the stride, the branches after it.
_Branch = tuple[int, Stride, "list[_Branch]"]


@dataclass(frozen=True)
class PathSet:
    """The set P of Eq. 1: all paths of `layers` layers that take height x width to out_height x out_width.

    The products of the strides are height / out_height and width / out_width; each stride is (1, 1) or one of
    the alphabet. Paths are ordered as their strides are, in the order of the alphabet, with (1, 1) last.
    Nothing is ever listed to count, test or draw.

    Raises:
        InputError: a size is not a positive multiple of its output, or the alphabet has an unknown stride.
    """

    height: int = 32
    width: int = 100
    out_height: int = 1
    out_width: int = 25
    layers: int = 15
    alphabet: tuple[Stride, ...] = ((2, 2), (2, 1))

    def __post_init__(self) -> None:
        for name, size, out in (
            ("height", self.height, self.out_height),
            ("width", self.width, self.out_width),
        ):
            if size < 1 or out < 1 or size % out:
                raise InputError(f"{name} {size} must be a positive multiple of out_{name} {out}")
        if self.layers < 1:
            raise InputError(f"layers must be at least 1, not {self.layers}")
        for stride in self.alphabet:
            if stride not in LETTER_OF:
                raise InputError(f"alphabet: stride {stride!r} is not one of {list(LETTER_OF)}")

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is cached out of pickles: NNI sends spaces to trials that way."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def options(self) -> tuple[Stride, ...]:
        """The strides a layer may have, in order: the alphabet without repeats, then (1, 1)."""
        return (*(stride for stride in dict.fromkeys(self.alphabet) if stride != KEEP), KEEP)

    @property
    def start(self) -> State:
        """The state before the first layer."""
        return (self.layers, self.height // self.out_height, self.width // self.out_width)

    def steps(self, state: State) -> list[tuple[Stride, State]]:
        """List the strides that divide what is left, each with the state after it."""
        left, factor_h, factor_w = state
        return [
            (stride, (left - 1, factor_h // stride[0], factor_w // stride[1]))
            for stride in self.options
            if factor_h % stride[0] == 0 and factor_w % stride[1] == 0
        ]

    def states(self) -> list[State]:
        """List the states that can be reached from the start, fewest layers left first."""
        levels: list[dict[State, None]] = [{self.start: None}]
        for _ in range(self.layers):
            levels.append({after: None for state in levels[-1] for _, after in self.steps(state)})
        return [state for level in reversed(levels) for state in level]

    def live_steps(self) -> dict[State, list[tuple[Stride, State]]]:
        """Give the steps in every state from which a path comes to its end; those nearest to it first."""
        steps: dict[State, list[tuple[Stride, State]]] = {}
        for state in self.states():
            if state[0]:
                found = [(stride, after) for stride, after in self.steps(state) if after in steps]
                if found:
                    steps[state] = found
            elif state[1:] == KEEP:
                steps[state] = []
        return steps

    @cached_property
    def _ways(self) -> dict[State, int]:
        """How many ways lead from a state to the end with nothing left over."""
        ways: dict[State, int] = {}
        for state in self.states():
            if state[0] == 0:
                ways[state] = int(state[1:] == KEEP)
            else:
                ways[state] = sum(ways[after] for _, after in self.steps(state))
        return ways

    @cached_property
    def _root(self) -> list[_Branch]:
        """The decision diagram that `at` walks: per state, branches with their counts."""
        nodes: dict[State, list[_Branch]] = {}
        for state in self.states():
            nodes[state] = [
                (self._ways[after], stride, nodes[after])
                for stride, after in (self.steps(state) if state[0] else [])
                if self._ways[after]
            ]
        return nodes[self.start]

    def count(self) -> int:
        """Count the paths, exactly and without listing them."""
        return self._ways[self.start]

    def __len__(self) -> int:
        return self.count()

    def at(self, index: int) -> StridePath:
        """Give the path at a place, from 0, of the order of iteration."""
        if not 0 <= index < self.count():
            raise IndexError(f"path {index} of {self.count()}")
        strides = []
        node = self._root
        while node:
            for ways, stride, after in node:  # noqa: B007 (the last branch is used below)
                if index < ways:
                    break
                index -= ways
            strides.append(stride)
            node = after
        return StridePath.trusted(tuple(strides))

    def __iter__(self) -> Iterator[StridePath]:
        return (self.at(index) for index in range(self.count()))

    def __contains__(self, path: object) -> bool:
        return isinstance(path, StridePath) and self.why_not(path) is None

    def why_not(self, path: StridePath) -> str | None:
        """Say in words why a path is not in the set; None if it is."""
        if len(path) != self.layers:
            return f"it has {len(path)} layers, not {self.layers}"
        product_h = product_w = 1
        for layer, stride in enumerate(path.strides, 1):
            if stride not in self.options:
                return f"the stride {stride} of layer {layer} is not one of {list(self.options)}"
            product_h *= stride[0]
            product_w *= stride[1]
        _, factor_h, factor_w = self.start
        if (product_h, product_w) != (factor_h, factor_w):
            return (
                f"its strides multiply to {product_h} in height and {product_w} in width, "
                f"not to {factor_h} and {factor_w}"
            )
        return None

    def sample(self, rng: random.Random) -> StridePath:
        """Draw a path, each with the same chance; no draw is ever rejected.

        Raises:
            InputError: the set is empty.
        """
        if not self.count():
            raise InputError(f"{self} holds no path; add layers or strides")
        return self.at(rng.randrange(self.count()))

    def neighbours(self, path: StridePath) -> list[StridePath]:
        """List the paths of the set that differ from a path in two layers, the fewest that can differ.

        With the paper's alphabet: one downsampling moved to a free layer, or an A and a B swapped.
        """
        found = []
        for first, second in itertools.combinations(range(len(path)), 2):
            old = path.strides[first], path.strides[second]
            product = old[0][0] * old[1][0], old[0][1] * old[1][1]
            for new in itertools.product(self.options, repeat=2):
                if (new[0][0] * new[1][0], new[0][1] * new[1][1]) != product:
                    continue
                if new[0] != old[0] and new[1] != old[1]:
                    strides = list(path.strides)
                    strides[first], strides[second] = new
                    found.append(StridePath.trusted(tuple(strides)))
        return found

    def typical(self, stage_layers: Sequence[int] = STAGE_LAYERS) -> list[StridePath]:
        """List the paths that downsample at first layers of stages only, in the order of iteration."""
        if sum(stage_layers) != self.layers:
            raise InputError(f"stage_layers {list(stage_layers)} must add up to {self.layers} layers")
        stages = PathSet(
            self.height, self.width, self.out_height, self.out_width, len(stage_layers), self.alphabet
        )
        return [StridePath.parse(short.full_text, stage_layers) for short in stages]
