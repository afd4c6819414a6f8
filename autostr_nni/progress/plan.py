"""What a search has before it: trials and images by step, from its recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autostr_nni.recipe import Recipe
from autostr_nni.search_spaces.errors import InputError
from autostr_nni.strategies.core import Strategy

OPERATORS, PATH, TRAIN = "operators", "path", "train"


@dataclass(frozen=True)
class Plan:
    """Steps in their order with the trials of each, one step after the other, ``concurrency`` at a time.

    ``images`` has the training images of one trial by step, where they are known.
    """

    steps: tuple[tuple[str, int], ...]
    images: Mapping[str, float] = field(default_factory=dict)
    concurrency: int = 1

    @property
    def trials(self) -> int:
        """Trials of a search without failures."""
        return sum(count for _, count in self.steps)


def plan_of(strategy: Strategy, recipe: Recipe, concurrency: int = 1) -> Plan:
    """The plan of one of our strategies."""
    steps = [(TRAIN, strategy.planned)]
    if strategy.name == "two-step":
        steps = [(PATH, strategy.planned - 2), (OPERATORS, 1), (TRAIN, 1)]
    return Plan(tuple(step for step in steps if step[1]), planned_images(recipe), concurrency)


def planned_images(recipe: Recipe) -> dict[str, float]:
    """Training images that a trial of each step sees, as ``images_seen`` counts them; those of an operator
    search include D_val's. Left out where a step takes the whole set and that cannot be counted."""
    search, training = recipe.search, recipe.training
    operators = search.operators
    steps = {
        PATH: (float(search.path.epochs), search.path.epoch_images),
        OPERATORS: (
            operators.warmup_epochs + operators.epochs * (1 + 1 / operators.arch_every),
            operators.epoch_images,
        ),
        TRAIN: (float(training.epochs), training.epoch_images),
    }
    whole = None
    if any(images is None for _, images in steps.values()):
        whole = count_words(recipe.data.train)
    sizes = {step: (epochs, images or whole) for step, (epochs, images) in steps.items()}
    return {step: epochs * images for step, (epochs, images) in sizes.items() if images}


def count_words(folders: Iterable[Path]) -> int | None:
    """Samples of the sets in these folders, usable or not; None where one cannot be read."""
    from autostr_nni.data.lmdb_io import LmdbReader, find_sets  # not needed where the recipe tells

    count = 0
    try:
        for folder in folders:
            for found in find_sets(folder):
                with LmdbReader(found) as reader:
                    count += len(reader)
    except InputError:
        return None
    return count
