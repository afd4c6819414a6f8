"""The `model` section: sizes of the recognizer's parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from autostr_nni.recipe.base import Channels, Layers, Section, Side, Size, Widths
from autostr_nni.search_spaces.stride_path import KEEP, LETTER_OF, Stride

TranslatorKind = Literal["attention", "ctc"]


def _strides(strides: tuple[Stride, ...]) -> tuple[Stride, ...]:
    """Distinct strides that a path can be written with."""
    known = [list(stride) for stride in LETTER_OF if stride != KEEP]
    for stride in strides:
        if stride == KEEP or stride not in LETTER_OF:
            raise ValueError(f"has {list(stride)}, which is none of {', '.join(map(str, known))}")
    if len(set(strides)) < len(strides):
        raise ValueError(f"must not repeat a stride, as {[list(stride) for stride in strides]} does")
    return strides


_Stride = Annotated[tuple[Side, Side], Field(strict=False)]
Strides = Annotated[tuple[_Stride, ...], Field(strict=False, min_length=1), AfterValidator(_strides)]


class RectifierSection(Section):
    """The thin-plate-spline rectifier in front of the backbone."""

    enabled: bool = True
    image: Size = (64, 256)  # what is read and what the spline samples from
    localization: Size = (32, 64)  # what the localization net sees
    points: Annotated[int, Field(ge=4, le=1_000)] = (
        20  # control points, half along the top and half along the bottom
    )
    channels: Widths = (32, 64, 128, 256, 256, 256)  # a 2x2 pool follows all but the last
    features: Channels = 512

    @model_validator(mode="after")
    def _check(self) -> RectifierSection:
        if self.points % 2:
            raise ValueError(f"points must be even, not {self.points}")
        shrink = 2 ** (len(self.channels) - 1)
        if min(self.localization) < shrink:
            raise ValueError(
                f"localization {list(self.localization)} is too small for {len(self.channels)} channels, "
                f"each side must be at least {shrink}"
            )
        return self


class TranslatorSection(Section):
    """BiLSTM encoder, and an attention decoder or CTC."""

    # ctc: a character or a blank per step; the decoder's sizes below do not count
    kind: TranslatorKind = "attention"
    encoder_layers: Annotated[int, Field(ge=0, le=16)] = 2
    hidden: Channels = 256  # per direction of a BiLSTM
    decoder: Channels = 512
    attention: Channels = 512
    embedding: Channels = 512


class ModelSection(Section):
    """The recognizer. The backbone turns `image` into a feature sequence, by default of W/4 columns."""

    image: Size = (32, 100)  # height, width that the backbone sees
    resize: Literal["stretch", "pad"] = "stretch"  # pad: keep the aspect, fill up on the right
    vertical: Literal["keep", "rotate"] = "keep"  # rotate: turn words upright that are much taller than wide
    sequence: Size | None = None  # c1, c2: height, width of the feature sequence; null: 1, image's width / 4
    strides: Strides = ((2, 2), (2, 1))  # besides (1, 1), of which stride paths are made
    stem_width: Channels = 32
    stage_widths: Widths = (32, 64, 128, 256, 512)
    stage_layers: Layers = (3, 3, 3, 3, 3)
    width_multiplier: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    projection_skip: bool = False
    rectifier: RectifierSection = RectifierSection()
    translator: TranslatorSection = TranslatorSection()

    @model_validator(mode="after")
    def _check(self) -> ModelSection:
        if len(self.stage_widths) != len(self.stage_layers):
            raise ValueError(
                f"stage_widths has {len(self.stage_widths)} values and "
                f"stage_layers {len(self.stage_layers)}; give one of each per stage"
            )
        return self

    @property
    def reduced(self) -> tuple[int, int]:
        """c1 and c2: height and width of the feature sequence, which is read as c1 x c2 steps."""
        return self.sequence or (1, self.image[1] // 4)

    @property
    def ctc_steps(self) -> int | None:
        """The steps that a word's alignment has to fit into; None where CTC does not tell the characters."""
        return self.steps if self.translator.kind == "ctc" else None

    @property
    def steps(self) -> int:
        """How many steps the decoder has to look at."""
        return self.reduced[0] * self.reduced[1]

    def scaled(self, width: int) -> int:
        """`width` times the multiplier, rounded to a multiple of 8; unchanged where the multiplier is 1."""
        if self.width_multiplier == 1.0:
            return width
        return max(8, int(width * self.width_multiplier / 8 + 0.5) * 8)
