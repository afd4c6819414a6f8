"""Stride paths: where, and by how much, a backbone of L layers shrinks its feature map.

A path is one point of the set P of Eq. 1 of the AutoSTR paper: strides (s_h, s_w) of L layers whose products
take an H x W image to a c1 x c2 feature sequence.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from .errors import InputError

Stride = tuple[int, int]

KEEP: Stride = (1, 1)
# One letter per stride. A and B are the paper's; the others serve wider alphabets.
LETTERS: dict[str, Stride] = {
    ".": KEEP,
    "A": (2, 2),
    "B": (2, 1),
    "C": (1, 2),
    "D": (4, 4),
    "E": (4, 2),
    "F": (4, 1),
    "G": (2, 4),
    "H": (1, 4),
    "I": (3, 3),
    "J": (3, 1),
    "K": (1, 3),
    "L": (3, 2),
    "M": (2, 3),
    "N": (4, 3),
    "O": (3, 4),
}
_LETTER_OF = {stride: letter for letter, stride in LETTERS.items()}

STAGE_LAYERS = (3, 3, 3, 3, 3)


def stage_entries(stage_layers: Sequence[int]) -> list[int]:
    """Give the index, from 0, of the first layer of each stage."""
    return list(itertools.accumulate(stage_layers, initial=0))[:-1]


@dataclass(frozen=True)
class StridePath:
    """The strides (height, width) of every layer, first layer first.

    Raises:
        InputError: a stride has no letter in `LETTERS`.
    """

    strides: tuple[Stride, ...]

    def __post_init__(self) -> None:
        for layer, stride in enumerate(self.strides, 1):
            if stride not in _LETTER_OF:
                raise InputError(f"stride {stride!r} of layer {layer} is not one of {list(_LETTER_OF)}")

    @classmethod
    def _trusted(cls, strides: tuple[Stride, ...]) -> StridePath:
        """Build without checks; drawing a hundred thousand paths a second needs it."""
        path = object.__new__(cls)
        object.__setattr__(path, "strides", strides)
        return path

    @classmethod
    def parse(cls, text: str, stage_layers: Sequence[int] = STAGE_LAYERS) -> StridePath:
        """Read a path from its text.

        Args:
            text: one letter per stage (`ABABB`: the strides stand at the first layer of each stage), or one
                character per layer with `.` for a stride of (1, 1): `A..B..A..B..B..` is the same path.
            stage_layers: the number of layers of each stage.

        Raises:
            InputError: a character or the length is wrong.
        """
        if not isinstance(text, str):
            raise InputError(f"stride path {text!r} must be text such as ABABB")
        for character in text:
            if character not in LETTERS:
                known = ", ".join(f"{letter} {stride}" for letter, stride in LETTERS.items())
                raise InputError(f"stride path {text!r} has {character!r}; the characters are {known}")
        layers = sum(stage_layers)
        if len(text) == layers:
            return cls._trusted(tuple(LETTERS[character] for character in text))
        if len(text) != len(stage_layers):
            raise InputError(
                f"stride path {text!r} has {len(text)} characters; write {len(stage_layers)}, one per stage, "
                f"or {layers}, one per layer"
            )
        strides = [KEEP] * layers
        for entry, character in zip(stage_entries(stage_layers), text, strict=True):
            strides[entry] = LETTERS[character]
        return cls._trusted(tuple(strides))

    @property
    def full_text(self) -> str:
        """One character per layer: `A..B..A..B..B..`."""
        return "".join(_LETTER_OF[stride] for stride in self.strides)

    def is_typical(self, stage_layers: Sequence[int] = STAGE_LAYERS) -> bool:
        """Say whether every layer that downsamples is the first of its stage."""
        if len(self.strides) != sum(stage_layers):
            return False
        entries = set(stage_entries(stage_layers))
        return all(stride == KEEP for layer, stride in enumerate(self.strides) if layer not in entries)

    def text(self, stage_layers: Sequence[int] = STAGE_LAYERS) -> str:
        """Give the short form (`ABABB`) of a typical path, the full one of any other."""
        if not self.is_typical(stage_layers):
            return self.full_text
        return "".join(_LETTER_OF[self.strides[entry]] for entry in stage_entries(stage_layers))

    def resolutions(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        """Give the (height, width) after each layer, for an input of height x width.

        A size that a stride does not divide is rounded up, as a padded convolution does.
        """
        sizes = []
        for stride_h, stride_w in self.strides:
            height, width = -(-height // stride_h), -(-width // stride_w)
            sizes.append((height, width))
        return tuple(sizes)

    def __len__(self) -> int:
        return len(self.strides)

    def __str__(self) -> str:
        return self.text()


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
            if stride not in _LETTER_OF:
                raise InputError(f"alphabet: stride {stride!r} is not one of {list(_LETTER_OF)}")

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
        return StridePath._trusted(tuple(strides))

    def index(self, path: StridePath) -> int:
        """Give the place of a path in the order of iteration: the inverse of `at`.

        Raises:
            ValueError: the path is not in the set.
        """
        if path not in self:
            raise ValueError(f"{path} is not a path of this set")
        index = 0
        node = self._root
        for wanted in path.strides:
            for ways, stride, after in node:
                if stride == wanted:
                    node = after
                    break
                index += ways
        return index

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
                    found.append(StridePath._trusted(tuple(strides)))
        return found

    def typical(self, stage_layers: Sequence[int] = STAGE_LAYERS) -> list[StridePath]:
        """List the paths that downsample at first layers of stages only, in the order of iteration."""
        if sum(stage_layers) != self.layers:
            raise InputError(f"stage_layers {list(stage_layers)} must add up to {self.layers} layers")
        stages = PathSet(
            self.height, self.width, self.out_height, self.out_width, len(stage_layers), self.alphabet
        )
        return [StridePath.parse(short.full_text, stage_layers) for short in stages]
