"""Stride paths: where, and by how much, a backbone of L layers shrinks its feature map.

A path is one point of the set P of Eq. 1 of the AutoSTR paper: strides (s_h, s_w) of L layers whose products
take an H x W image to a c1 x c2 feature sequence.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from autostr_nni.system.errors import InputError, shown

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
LETTER_OF = {stride: letter for letter, stride in LETTERS.items()}

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
            if stride not in LETTER_OF:
                raise InputError(f"stride {stride!r} of layer {layer} is not one of {list(LETTER_OF)}")

    @classmethod
    def trusted(cls, strides: tuple[Stride, ...]) -> StridePath:
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
            raise InputError(f"stride path {shown(text)} must be text such as ABABB")
        for character in text:
            if character not in LETTERS:
                known = ", ".join(f"{letter} {stride}" for letter, stride in LETTERS.items())
                raise InputError(f"stride path {shown(text)} has {character!r}; the characters are {known}")
        layers = sum(stage_layers)
        if len(text) == layers:
            return cls.trusted(tuple(LETTERS[character] for character in text))
        if len(text) != len(stage_layers):
            raise InputError(
                f"stride path {shown(text)} has {len(text)} characters; write {len(stage_layers)}, one per "
                f"stage, or {layers}, one per layer"
            )
        strides = [KEEP] * layers
        for entry, character in zip(stage_entries(stage_layers), text, strict=True):
            strides[entry] = LETTERS[character]
        return cls.trusted(tuple(strides))

    @property
    def full_text(self) -> str:
        """One character per layer: `A..B..A..B..B..`."""
        return "".join(LETTER_OF[stride] for stride in self.strides)

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
        return "".join(LETTER_OF[self.strides[entry]] for entry in stage_entries(stage_layers))

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
