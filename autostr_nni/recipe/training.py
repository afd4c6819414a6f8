"""The `training` and `evaluation` sections."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from autostr_nni.recipe.augment import NONE, Augment
from autostr_nni.recipe.base import Betas, Count, Folder, Fraction, Section
from autostr_nni.recipe.words.metric import MetricName
from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.text_files import fingerprint

LEARNT_ABOVE = 0.05  # of the validation words: a net below has learnt nothing

#: How the rate goes on: the last two are planned for all epochs, whose number then cannot change.
Schedule = Literal["milestones", "cosine", "one-cycle"]
MILESTONES: Schedule = "milestones"
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Threads = Annotated[int, Field(ge=1, le=1_024)]
Milestones = Annotated[tuple[Count, ...], Field(strict=False)]


def _devices(value: Any) -> Any:
    if value != "auto" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(f"must be a whole number from 1, or auto, not {value!r}")
    return value


Devices = Annotated[int | Literal["auto"], BeforeValidator(_devices)]


class OptimizerSection(Section):
    """The optimizer of the weights. Defaults follow the name: the paper's ADADELTA, or usual Adam values."""

    name: Literal["adadelta", "adam", "adamw"] = "adadelta"
    lr: Positive = 1.0
    rho: Fraction = 0.9  # adadelta only
    betas: Betas = (0.9, 0.999)  # adam and adamw only
    eps: Positive = 1.0e-6
    weight_decay: NotNegative = 0.0

    @model_validator(mode="before")
    @classmethod
    def _defaults_by_name(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        name = value.get("name", "adadelta")
        foreign = "betas" if name == "adadelta" else "rho"
        default = cls.model_fields[foreign].default  # passes: a recipe written out has all its keys
        given = value.get(foreign, default)
        if (
            name in ("adadelta", "adam", "adamw")
            and (tuple(given) if isinstance(given, list) else given) != default
        ):
            raise ValueError(f"{foreign} is no option of {name}")
        return {"lr": 1.0e-3, "eps": 1.0e-8, **value} if name in ("adam", "adamw") else value


class ShortWordsSection(Section):
    """Short words first: an attention decoder finds its alignment much sooner on them."""

    max_length: Count = 4  # characters
    epochs: Annotated[int, Field(ge=0)] = 0  # first epochs that see only such words; 0: none do


class InitSection(Section):
    """A trained net's checkpoint to start from, and what tells its content from another's."""

    file: Folder | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = None  # first digits; null: looked up

    @model_validator(mode="before")
    @classmethod
    def _of_a_path(cls, value: Any) -> Any:
        if value is None or isinstance(value, str | Path):
            return {"file": value}
        if not isinstance(value, Mapping | InitSection):
            raise ValueError(f"must be the path of a trained net's best.ckpt, not {shown(value)}")
        return value

    @model_validator(mode="after")
    def _of_this_content(self) -> InitSection:
        if self.file is None or self.sha256 is not None:  # a recipe that was kept knows it
            return self
        try:
            self.__dict__["sha256"] = fingerprint(self.file)
        except InputError as error:
            raise ValueError(str(error)) from None
        if not zipfile.is_zipfile(self.file):
            raise ValueError(
                f"{self.file}: is no checkpoint, or was cut short; give the best.ckpt of a trained net"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return None if self.file is None else handler(self)


class TrainingSection(Section):
    """How a net is trained alone: step 3, the random baseline and `autostr train`."""

    batch_size: Count = 64
    init: InitSection = InitSection()  # a trained net whose weights it starts from, where they fit
    augment: Augment = NONE  # of training images: none, light, strong, or a list of recipe.augment.KINDS
    optimizer: OptimizerSection = OptimizerSection()
    epochs: Count = 12
    epoch_images: Count | None = None  # images that make an epoch; null: the whole set
    short_words: ShortWordsSection = ShortWordsSection()
    milestones: Milestones = (7, 10)  # epochs after which the learning rate is multiplied by gamma
    gamma: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    patience: Count | None = None  # stop after so many epochs without a better one; null: never
    schedule: Schedule = MILESTONES  # of the rate: by milestones, or over all epochs step by step
    warmup_epochs: NotNegative = 0.0  # in which the rate rises from 0; may be a fraction
    accumulate: Count = 1  # batches whose gradients make a step
    ema: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None  # decay of the mean of weights; null: none
    clip: Positive | None = 1.0  # gradient norm; null: not clipped
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    devices: Devices = 1  # that share every batch of a trial; auto: all GPUs it sees
    compile: bool = False  # the backbone of path and training trials, by torch.compile
    threads: Threads | None = None  # CPU threads of one trial; null: all cores but one, shared by the trials
    checkpoint_minutes: Positive | None = 10.0  # within an epoch; null: only at the ends of epochs
    tensorboard: bool = False  # TensorBoard logs in each trial's folder; needs TensorBoard

    @model_validator(mode="after")
    def _check(self) -> TrainingSection:
        if any(a >= b for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ValueError(f"milestones must rise, not {list(self.milestones)}")
        if self.schedule == "one-cycle" and self.warmup_epochs:
            raise ValueError("warmup_epochs: one-cycle has a rise of its own, leave warmup_epochs out")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs:g} leaves nothing of training.epochs: {self.epochs}"
            )
        if self.devices != 1 and ":" in self.device:
            raise ValueError(f"device {self.device} is a single GPU: write cuda with devices: {self.devices}")
        if self.devices != "auto" and self.devices > self.batch_size:
            raise ValueError(f"devices: {self.devices} cannot share a batch_size of {self.batch_size}")
        return self


class EvaluationSection(Section):
    """How words are decoded when they are counted, and what is counted."""

    metric: MetricName = "word_accuracy"  # by which epochs, nets and searches are chosen
    decoding: Literal["greedy", "beam"] = "greedy"
    beam: Annotated[int, Field(ge=1, le=1_000)] = 5  # width of the beam, used with decoding: beam
    batch_size: Count = 256
    # Of the validation words: a search whose best net reads no more has learnt nothing. 0: any net counts.
    learnt_above: Fraction = LEARNT_ABOVE

    @property
    def width(self) -> int:
        """Of the beam; 1 where words are read greedily."""
        return self.beam if self.decoding == "beam" else 1
