"""What a search has before it: trials by step, and the images of one and their cost, from its recipe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from autostr_nni.recipe import Recipe
from autostr_nni.recipe.words.sources import WordSource
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, cost_table, stem_cost, total
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.core import Strategy
from autostr_nni.strategies.steps import OPERATORS, PATH, RUNG, TRAIN
from autostr_nni.system.errors import InputError

MILLION = 1e6
#: MACs of the net that an operator search finds, in those of its draws: 0.2 on the quickstart, 0.6 on real
#: words, and 0.9 in the paper's space.
FOUND = 0.5


@dataclass(frozen=True)
class Work:
    """One trial of a step: training images as ``images_seen`` counts them, epochs, and million MACs of the
    backbone for an image."""

    images: float
    epochs: int
    macs_m: float


@dataclass(frozen=True)
class Plan:
    """Steps in their order with the trials of each, one step after the other, ``concurrency`` at a time.

    ``work`` is that of a trial by step, where it is known.
    """

    steps: tuple[tuple[str, int], ...]
    work: Mapping[str, Work] = field(default_factory=dict)
    concurrency: int = 1
    recipe: Recipe | None = None

    @property
    def trials(self) -> int:
        """Trials of a search without failures."""
        return sum(count for _, count in self.steps)

    def macs_of(self, parameters: Mapping[str, Any]) -> float | None:
        """Million MACs for an image of the net with a trial's parameters; None where that is not known."""
        try:
            return None if self.recipe is None else macs_of(parameters, self.recipe)
        except (InputError, KeyError):  # parameters of the user's own
            return None


def plan_of(strategy: Strategy, recipe: Recipe, concurrency: int = 1) -> Plan:
    """The plan of one of our strategies."""
    steps = strategy.planned_steps
    known = [trial.parameters for trial in strategy.trials]
    work = planned_work(recipe, known)
    return Plan(tuple(step for step in steps if step[1]), work, concurrency, recipe)


def planned_work(recipe: Recipe, known: Collection[Mapping[str, Any]]) -> dict[str, Work]:
    """What a trial of each step has before it; images of an operator search include D_val's.

    Left out is a step that takes the whole set, if that cannot be counted. MACs are the mean of the trials
    ``known`` so far, else of draws; what a search finds costs less than they do.
    """
    search, training = recipe.search, recipe.training
    operators = search.operators
    alternating = operators.epochs * (1 + 1 / operators.arch_every)
    steps = {
        PATH: (search.path.epochs, float(search.path.epochs), search.path.epoch_images),
        OPERATORS: (
            operators.warmup_epochs + operators.epochs,
            operators.warmup_epochs + alternating,
            operators.epoch_images,
        ),
        TRAIN: (training.epochs, float(training.epochs), training.epoch_images),
    }
    if any(parameters["step"] == RUNG for parameters in known):  # most of a ladder's trials are on its first
        first = min(parameters["epochs"] for parameters in known if parameters["step"] == RUNG)
        steps[RUNG] = (first, float(first), training.epoch_images)
    whole = None
    if any(images is None for _, _, images in steps.values()):
        whole = count_words(recipe.data.train)
    space = recipe.space()
    drawn = mean(macs_of_draws(path, space) for path in space.typical_paths())
    found = min(operators.budget_m, drawn * (FOUND if operators.beta else 1.0))
    unknown = {PATH: drawn, OPERATORS: drawn, RUNG: drawn, TRAIN: found}
    macs: dict[str, list[float]] = {}
    for parameters in known:
        macs.setdefault(str(parameters["step"]), []).append(macs_of(parameters, recipe))
    return {
        step: Work(rounds * (images or whole or 0), epochs, mean(macs.get(step) or [unknown[step]]))
        for step, (epochs, rounds, images) in steps.items()
        if images or whole
    }


def macs_of(parameters: Mapping[str, Any], recipe: Recipe) -> float:
    """Million MACs for an image of the net of a trial, the mean over the draws for an operator search.

    Raises:
        InputError, KeyError: the parameters are not those of the recipe's space.
    """
    space = recipe.space()
    step = parameters["step"]
    if step in (RUNG, TRAIN):
        return total(backbone_costs(Architecture.from_parameters(parameters, space), space)).macs / MILLION
    path = StridePath.parse(str(parameters["stride_path"]), space.stage_layers)
    if step == OPERATORS:
        return macs_of_draws(path, space)
    architecture = space.default_architecture(path, recipe.search.path.default_operation)
    return total(backbone_costs(architecture, space)).macs / MILLION


def macs_of_draws(path: StridePath, space: SearchSpace) -> float:
    """Million MACs of a net on the path, on average over all its operations."""
    layers = (mean(cost.macs for cost in costs.values()) for costs in cost_table(path, space))
    return (stem_cost(space).macs + sum(layers)) / MILLION


def count_words(sources: Iterable[WordSource]) -> int | None:
    """Samples of the sets of these sources, usable or not; None where one cannot be read."""
    from autostr_nni.data.sets.folders import find_sets  # not needed where the recipe tells
    from autostr_nni.data.sets.lmdb_io import LmdbReader  # not needed where the recipe tells

    count = 0
    try:
        for source in (source for source in sources if source.weight != 0):
            for found in find_sets(source.set):
                with LmdbReader(found) as reader:
                    count += len(reader)
    except InputError:
        return None
    return count
