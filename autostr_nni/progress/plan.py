"""What a search has before it: trials by step, and the images of one and their cost, from its recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from autostr_nni.recipe import Recipe
from autostr_nni.recipe.words.sources import WordSource
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.drawing import within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.core import Trial
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.strategies.steps import OPERATORS, PATH, RANKING, RUNG, SUPERNET, TRAIN, Planned
from autostr_nni.system.errors import InputError

MILLION = 1e6
#: MACs of the net that an operator search finds, in those of its draws: 0.2 on the quickstart, 0.6 on real
#: words, and 0.9 in the paper's space.
FOUND = 0.5


@dataclass(frozen=True)
class Work:
    """One trial of a step: training images of its own as ``images_seen`` counts them, epochs, and million
    MACs of the backbone for an image. ``before``: epochs after which it goes on from another trial."""

    images: float
    epochs: int
    macs_m: float
    before: int = 0

    @property
    def epoch_images(self) -> float:
        """Images of an epoch."""
        return self.images / (self.epochs - self.before)


@dataclass(frozen=True)
class Plan:
    """Steps in their order with the trials of each, one step after the other, ``concurrency`` at a time.

    ``work`` is that of a trial by step, where it is known. ``rungs`` are steps of their own, by the kind of
    step and the epoch that they train to, whose numbers of trials are an estimate. ``beside`` are the steps
    that are worked on together with the one before.
    """

    steps: tuple[tuple[str, int], ...]
    work: Mapping[str, Work] = field(default_factory=dict)
    concurrency: int = 1
    recipe: Recipe | None = None
    rungs: Mapping[tuple[str, int], str] = field(default_factory=dict)
    beside: Set[str] = frozenset()

    @property
    def trials(self) -> int:
        """Trials of a search without failures."""
        return sum(count for _, count in self.steps)

    def stages(self) -> list[list[tuple[str, int]]]:
        """The steps, those together whose trials run beside each other's."""
        stages: list[list[tuple[str, int]]] = []
        for step in self.steps:
            if step[0] in self.beside and stages:
                stages[-1].append(step)
            else:
                stages.append([step])
        return stages

    def step_of(self, parameters: Mapping[str, Any]) -> str:
        """The step of a trial, a rung by its own name."""
        step = str(parameters.get("step", ""))
        return self.rungs.get((step, parameters.get("epochs", 0)), step)

    def macs_of(self, parameters: Mapping[str, Any]) -> float | None:
        """Million MACs for an image of the net with a trial's parameters; None where that is not known."""
        try:
            return None if self.recipe is None else macs_of(parameters, self.recipe)
        except (InputError, KeyError):  # parameters of the user's own
            return None


def plan_of(strategy: Strategy, recipe: Recipe, concurrency: int = 1) -> Plan:
    """The plan of a strategy; one of a user's own may tell its steps as plain pairs."""
    planned = [step for step in (Planned(*told) for told in strategy.planned_steps) if step.trials]
    rungs = _names_of_rungs(planned)
    named = [(step.step if step.end is None else rungs[step.step, step.end], step) for step in planned]
    beside = {name for name, step in named if not step.waits}
    plan = Plan(tuple((name, step.trials) for name, step in named), {}, concurrency, recipe, rungs, beside)
    return replace(plan, work=planned_work(plan, recipe, dict(named), strategy.trials))


def _names_of_rungs(planned: Iterable[Planned]) -> dict[tuple[str, int], str]:
    """By step and epoch: ``path rung 1``, ``rung 1``, ``rung 2``; a training that goes on keeps its name."""
    names: dict[tuple[str, int], str] = {}
    places: Counter[str] = Counter()
    for step, _, _, end, _ in planned:
        if end is not None:
            places[step] += 1
            name = RUNG if step == RUNG else f"{step} {RUNG}"
            names[step, end] = TRAIN if step == TRAIN else f"{name} {places[step]}"
    return names


def planned_work(
    plan: Plan, recipe: Recipe, planned: Mapping[str, Planned], known: Iterable[Trial]
) -> dict[str, Work]:
    """What a trial of each step has before it; images of an operator search include D_val's.

    Left out is a step that takes the whole set, if that cannot be counted. MACs are the mean of the trials
    ``known`` so far, for rungs of all rungs of their kind, else of draws; what a search finds costs less.
    """
    search, training = recipe.search, recipe.training
    operators = search.operators
    found: dict[str, Work] = {}
    whole = None
    macs = _mean_macs(plan, recipe, known)
    for name, step in planned.items():
        before = 0
        epochs, images = training.epochs, training.epoch_images
        if step.step == PATH:
            before, epochs, images = step.begin, step.end or search.path.epochs, search.path.epoch_images
        elif step.step == OPERATORS:
            epochs, images = operators.warmup_epochs + operators.epochs, operators.epoch_images
        elif step.step == SUPERNET:
            epochs, images = recipe.supernet_epochs, search.one_shot.epoch_images or images
        elif step.step == RANKING:
            epochs, images = _ranking(recipe)
        elif step.end is not None:
            before, epochs = step.begin, step.end
        rounds: float = epochs - before
        if step.step == OPERATORS:
            rounds += operators.epochs / operators.arch_every
        if images is None:
            whole = count_words(recipe.data.train) if whole is None else whole
            images = whole
        if images:
            found[name] = Work(rounds * images, epochs, macs[name], before)
    return found


def _ranking(recipe: Recipe) -> tuple[int, int]:
    """Populations of nets of a one-shot search's ranking, and the images of one."""
    options = recipe.search.one_shot
    words = options.words or count_words(recipe.data.validation_for("ranking")) or 0
    return max(1, options.nets // options.population), options.population * (options.recalibration + words)


def _mean_macs(plan: Plan, recipe: Recipe, known: Iterable[Trial]) -> dict[str, float]:
    """Million MACs of a net of each step, on average."""
    operators = recipe.search.operators
    drawn = _macs_drawn(recipe)
    found = _within(drawn * (FOUND if operators.beta else 1.0), recipe)
    own: dict[str, list[float]] = {}
    for trial in known:
        own.setdefault(plan.step_of(trial.parameters), []).append(macs_of(trial.parameters, recipe))
    unknown = {TRAIN: [found]}
    for (step, _), name in plan.rungs.items():
        kind = [other for (each, _), other in plan.rungs.items() if (each == PATH) == (step == PATH)]
        beside = [macs for other in kind for macs in own.get(other, [])]
        unknown[name] = beside or [drawn if step == PATH else found]
    return {name: mean(own.get(name) or unknown.get(name, [drawn])) for name, _ in plan.steps}


def macs_of(parameters: Mapping[str, Any], recipe: Recipe) -> float:
    """Million MACs for an image of the net of a trial, the mean over the draws for an operator search.

    Raises:
        InputError, KeyError: the parameters are not those of the recipe's space.
    """
    space = recipe.space()
    step = parameters["step"]
    if step in (RUNG, TRAIN):
        return within.macs_of(Architecture.from_parameters(parameters, space), space) / MILLION
    if step in (SUPERNET, RANKING):  # of all paths, within the budget
        return _within(_macs_drawn(recipe), recipe)
    path = StridePath.parse(str(parameters["stride_path"]), space.stage_layers)
    if step == OPERATORS:
        return macs_of_draws(path, space)
    architecture = space.default_architecture(path, recipe.search.path.default_operation)
    return within.macs_of(architecture, space) / MILLION


def _macs_drawn(recipe: Recipe) -> float:
    """Million MACs of a net, on average over all operations and typical paths; where none is, step 1's."""
    space = recipe.space()
    return mean(macs_of_draws(path, space) for path in space.typical_paths() or recipe.search_paths())


def _within(macs_m: float, recipe: Recipe) -> float:
    """No more MACs than the budget; one of another cost says nothing of them."""
    search = recipe.search
    return min(search.operators.budget_m, macs_m) if search.cost.kind == "macs" else macs_m


def macs_of_draws(path: StridePath, space: SearchSpace) -> float:
    """Million MACs of a net on the path, on average over all its operations."""
    layers = (mean(layer.values()) for layer in MACS.table(path, space))
    return (MACS.fixed(space) + sum(layers)) / MILLION


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
