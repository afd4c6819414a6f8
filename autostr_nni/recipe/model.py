"""The `model` section: sizes of the recognizer's parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autostr_nni.recipe.base import Channels, Layers, Section, Size, Widths

TranslatorKind = Literal["attention", "ctc"]


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
    """The recognizer. The backbone turns `image` into a sequence of W/4 columns."""

    image: Size = (32, 100)  # height, width that the backbone sees
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

    def scaled(self, width: int) -> int:
        """`width` times the multiplier, rounded to a multiple of 8; unchanged where the multiplier is 1."""
        if self.width_multiplier == 1.0:
            return width
        return max(8, int(width * self.width_multiplier / 8 + 0.5) * 8)
