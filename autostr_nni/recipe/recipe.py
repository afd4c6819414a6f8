"""The recipe as a whole: one file that two searches share, so that they can be compared."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, model_validator

from autostr_nni.recipe.base import Section
from autostr_nni.recipe.checks.budget import check_budget, check_paths_fit
from autostr_nni.recipe.checks.paths import check_paths
from autostr_nni.recipe.data import BOTH_CASES, ONE_CASE, DataSection
from autostr_nni.recipe.model import ModelSection
from autostr_nni.recipe.search import SearchSection, check_rungs
from autostr_nni.recipe.training import EvaluationSection, TrainingSection
from autostr_nni.recipe.weight import with_weight
from autostr_nni.recipe.words.metric import meaningless
from autostr_nni.recipe.words.sources import too_small
from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.drawing.promise import draw_paths
from autostr_nni.search_spaces.operations import DEFAULT_OPERATION
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system import extensions
from autostr_nni.system.errors import InputError, shown


def _places(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Files absolute, names of modules as they are."""
    folder = (info.context or {}).get("folder") if isinstance(info.context, dict) else None
    return names if folder is None else tuple(extensions.place(name, folder) for name in names)


Extensions = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_places)]


class Recipe(Section):
    """Data, model, training, search and seed. Paths inside are absolute once loaded from a file."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    data: DataSection
    model: ModelSection = ModelSection()
    training: TrainingSection = TrainingSection()
    search: SearchSection = SearchSection()
    evaluation: EvaluationSection = EvaluationSection()
    extensions: Extensions = ()  # modules of the user's own, with operations and strategies

    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The file that this recipe was read from."""
        return self._source

    def space(self) -> SearchSpace:
        """The space that is searched, with widths after `model.width_multiplier`."""
        model = self.model
        height, width = model.image
        return SearchSpace(
            height=height,
            width=width,
            out_height=model.reduced[0],
            out_width=model.reduced[1],
            stem_width=model.scaled(model.stem_width),
            stage_widths=tuple(model.scaled(w) for w in model.stage_widths),
            stage_layers=model.stage_layers,
            operations=self.search.operators.operations,
            projection_skip=model.projection_skip,
            alphabet=model.strides,
        )

    def search_paths(self) -> list[StridePath]:
        """The stride paths of step 1, in order."""
        space = self.space()
        paths = self.search.path.paths
        if paths == "typical":
            return list(space.typical_paths())
        if isinstance(paths, int):
            budget, least = self.search.operators.budget, self.random_least
            return draw_paths(space, random.Random(f"{self.seed} paths"), paths, budget, least, self.price)
        return [StridePath.parse(text, space.stage_layers) for text in paths]

    @model_validator(mode="after")
    def _check_rungs(self) -> Recipe:
        """The last rung of halving is a full training."""
        rungs = self.search.halving.rungs
        if rungs is not None:
            check_rungs("search.halving.rungs", rungs, "training.epochs", self.training.epochs)
        return self

    def with_count(self, count: int) -> Recipe:
        """The same recipe for a random search of `count` architectures."""
        section = self.search.random.model_copy(update={"count": count})
        return self.model_copy(update={"search": self.search.model_copy(update={"random": section})})

    @property
    def price(self) -> Price:
        """What the search counts of its nets."""
        return self.search.cost.price

    @property
    def random_least(self) -> int:
        """What a net of random search costs at least: by default as much as those of halving."""
        own = self.search.random.min_m
        return round((self.search.halving.min_m if own is None else own) * 1e6)

    @property
    def has_proxy(self) -> bool:
        """Whether nets are ranked by another recognizer than the one that is trained in the end."""
        return self.for_ranking().model != self.model

    def for_ranking(self) -> Recipe:
        """The recipe by which nets are ranked: with what `search.proxy` puts in place of parts."""
        kind = self.search.proxy.translator or self.model.translator.kind
        translator = self.model.translator.model_copy(update={"kind": kind})
        return self.model_copy(update={"model": self.model.model_copy(update={"translator": translator})})

    def for_search(self) -> Recipe:
        """`for_ranking` of path trials and of the operator search: with the augmentation that they have."""
        augment = self.training.augment if self.search.augment is None else self.search.augment
        training = self.training.model_copy(update={"augment": augment})
        return self.for_ranking().model_copy(update={"training": training})

    def for_operators(self) -> Recipe:
        """`for_search` with the devices of the operator search, which runs alone."""
        search = self.for_search()
        training = search.training.model_copy(update={"devices": self.operator_devices})
        return search.model_copy(update={"training": training})

    @property
    def operator_devices(self) -> int | Literal["auto"]:
        """Devices that share every batch of the operator search."""
        devices = self.search.operators.devices
        return self.training.devices if devices is None else devices

    @property
    def supernet_epochs(self) -> int:
        """Epochs of the one-shot supernet: by default as many as six nets are trained for."""
        return self.search.one_shot.epochs or 6 * self.training.epochs

    def digest(self) -> str:
        """Hash of everything that can change a search's outcome, the same wherever the recipe's folder lies.

        What is left out: `weight.WITHOUT_WEIGHT`.
        """
        content = with_weight(self.model_dump(mode="json"))
        if self._source is not None:
            for key in ("data", "extensions"):
                content[key] = _relative(content[key], str(self._source.parent) + "/")
        text = json.dumps(content, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @model_validator(mode="after")
    def _check_operator_devices(self) -> Recipe:
        """Devices share a batch, and one that is named is one."""
        devices, batch_size = self.search.operators.devices, self.search.operators.batch_size
        key = "search.operators.batch_size" if batch_size else "training.batch_size"
        images = batch_size or self.training.batch_size
        if isinstance(devices, int) and devices > images:
            raise ValueError(f"search.operators.devices: {devices} cannot share a batch of {key}: {images}")
        if devices not in (None, 1) and ":" in self.training.device:
            raise ValueError(
                f"search.operators.devices: training.device {self.training.device} is one GPU: write cuda"
            )
        return self

    @model_validator(mode="after")
    def _check_metric(self) -> Recipe:
        """What chooses can differ among nets."""
        charset = self.data.charset
        why = meaningless(self.evaluation.metric, shown(charset), "" if charset in ONE_CASE else charset)
        if why and charset not in BOTH_CASES:
            raise ValueError(f"evaluation.metric: {why}")
        return self

    @model_validator(mode="after")
    def _check_shares(self) -> Recipe:
        """Every set of a mix has an image in every epoch."""
        search = self.search
        for key, images in (
            ("training", self.training.epoch_images),
            ("search.path", search.path.epoch_images),
            ("search.operators", search.operators.epoch_images),
        ):
            small = None if images is None else too_small(self.data.train, images)
            if small is not None:
                raise ValueError(
                    f"data.train: gives {small.set} a weight of {small.weight:g}, which is not one image of "
                    f"{key}.epoch_images: {images}; write a larger weight or a longer epoch"
                )
        return self

    @model_validator(mode="after")
    def _check_ctc(self) -> Recipe:
        """CTC tells at most one character per step, and has no beam search here."""
        kinds = {"model.translator.kind": self.model.translator.kind}
        kinds["search.proxy.translator"] = self.search.proxy.translator or "attention"
        for key, kind in kinds.items():
            steps = self.model.steps
            if kind == "ctc" and self.data.max_length > steps:
                raise ValueError(
                    f"{key}: ctc tells at most a character per step, of which an image of width "
                    f"{self.model.image[1]} has {steps}: lower data.max_length from {self.data.max_length}"
                )
            if kind == "ctc" and self.evaluation.decoding == "beam":
                raise ValueError(f"{key}: ctc is read greedily: leave evaluation.decoding: beam out")
        return self

    @model_validator(mode="after")
    def _check_space(self) -> Recipe:
        """The image can be reduced to the sequence, and step 1 has paths that do so."""
        width, sequence = self.model.image[1], self.model.sequence
        if sequence is None and width % 4:
            raise ValueError(
                f"model.image: width {width} must be a multiple of 4, the sequence has W/4 columns"
            )
        try:
            space = self.space()
        except InputError as error:
            raise ValueError(f"model.{'image' if sequence is None else 'sequence'}: {error}") from None
        check_paths(self.search, space)
        default = self.search.path.default_operation
        if default not in (DEFAULT_OPERATION, *space.operations):
            raise ValueError(
                f"search.path.default_operation: is {default!r}, which is not among "
                f"search.operators.operations; add it there, or write {DEFAULT_OPERATION}"
            )
        check_budget(self.search, space)
        try:
            paths = self.search_paths()
        except InputError as error:
            raise ValueError(f"search.path.paths: {error}") from None
        check_paths_fit(self.search, space, paths)
        return self


def _relative(content: Any, prefix: str) -> Any:
    """`content` with the recipe's folder taken off the front of every path in it."""
    if isinstance(content, str):
        return content.removeprefix(prefix)
    if isinstance(content, list):
        return [_relative(item, prefix) for item in content]
    if isinstance(content, dict):
        return {key.removeprefix(prefix): _relative(item, prefix) for key, item in content.items()}
    return content
