"""The baselines: architectures drawn at random from the same space (the paper's), and the largest one.

Each is trained alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autostr_nni.search_spaces.counting import MACS, Price
from autostr_nni.search_spaces.drawing.largest import largest_within
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

from .core import BUDGET, RETRY, Book, Trial, reasons, saved_trials, succeeded
from .steps import LARGEST, NET, TRAIN

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe

# Draws in a row that only repeat what was drawn before the space is taken to be exhausted.
_REPEATS = 1000


class RandomSearch(Book):
    """`count` distinct architectures within a budget; the best is that of most merit."""

    name = "random"
    label = "random {place}"
    settings = (
        "search.random.count",
        "search.random.paths",
        "search.random.min_m",
        "search.front",
        *BUDGET,
    )
    baseline = grows = True

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> RandomSearch:
        """As many as the recipe says, within its band of costs."""
        space, settings = recipe.space(), recipe.search.random
        return cls(
            space,
            settings.count,
            recipe.seed,
            most=recipe.search.operators.budget,
            paths=space.typical_paths() if settings.paths == "typical" else None,
            least=recipe.random_least,
            largest=settings.largest,
            price=recipe.price,
        )

    @classmethod
    def grown(cls, recipe: Recipe, nets: int) -> Recipe:
        """The same recipe with a greater count."""
        return recipe.with_count(max(nets, recipe.search.random.count))

    @classmethod
    def drawn(cls, trials: Sequence[Trial]) -> int:
        """The architectures drawn: neither repeated ones nor the largest net."""
        return super().drawn([trial for trial in trials if trial.id != LARGEST])

    def __init__(
        self,
        space: SearchSpace,
        count: int,
        seed: int,
        most: int | None = None,
        paths: Sequence[StridePath] | None = None,
        least: int = 0,
        largest: bool = False,
        price: Price = MACS,
    ) -> None:
        """Draw the architectures, each of those allowed with the same chance.

        Args:
            space: where to draw.
            count: how many.
            seed: the same seed draws the same ones.
            most: what a backbone may cost at most; None: no budget.
            paths: stride paths to keep to; None: all of the space.
            least: what a backbone must cost at least; needs ``most``.
            largest: train a net of the most cost besides, which ``count`` does not count.
            price: what costs are counted in.

        Raises:
            InputError: the space holds fewer within the band, or ``least`` is given alone.
        """
        super().__init__()
        if count < 1:
            raise InputError(f"search.random.count must be at least 1, not {count}")
        if most is None and (least or largest):
            raise InputError("search.random: a lower bound and the largest net need an upper bound")
        if most is not None and (least or largest):
            top = largest_within(space, random.Random(f"{seed} {LARGEST}"), most, paths, price)
            if price.of(top, space) < least:
                raise InputError(
                    f"search.random.min_m: no net has {least / 1e6:g} to {price.said(most)}; the "
                    f"largest of them has {price.said(price.of(top, space))}"
                )
            if largest:
                self._add(LARGEST, {"step": TRAIN, NET: LARGEST, **top.to_parameters()})
        rng = random.Random(seed)
        drawn: dict[str, dict[str, str]] = {}
        repeats = 0
        while len(drawn) < count:
            if most is None:
                architecture = space.sample(rng, paths)
            else:
                architecture = sample_within(space, rng, most, paths, least, price)
            repeats = repeats + 1 if architecture.text in drawn else 0
            drawn[architecture.text] = architecture.to_parameters()
            if repeats == _REPEATS:
                raise InputError(
                    f"search.random.count: {count} distinct architectures within the budget were not to be "
                    f"found, only {len(drawn)}; lower the count or raise {price.budget_key}"
                    + (" or lower search.random.min_m" if least else "")
                )
        digits = len(str(count))
        for number, parameters in enumerate(drawn.values(), 1):
            self._add(f"random-{number:0{digits}d}", {"step": TRAIN, **parameters})

    def _fault(self, trial: Trial, metrics: Mapping[str, Any]) -> str | None:
        if "default" not in metrics:
            return "it reported no accuracy"
        return super()._fault(trial, metrics)

    def _advance(self) -> None:
        trials = self.trials
        if all(trial.settled for trial in trials):
            done = succeeded(trials)
            self._end(
                None if done else f"none of the {self.planned} nets could be trained ({reasons(trials)})"
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, also from one of a smaller count: the same seed draws the same ones first."""
        names = [trial.id for trial in saved_trials(state) if not trial.id.endswith(RETRY)]
        fresh = [trial for trial in self._trials if not trial.id.endswith(RETRY)]
        # A count of more digits makes longer names; those that were given stay.
        self._trials = [replace(trial, id=id) for id, trial in zip(names, fresh, strict=False)]
        super().load_state_dict(state)
        if len(fresh) > len(names):
            self._trials += fresh[len(names) :]
            self._finished, self._failure = False, None
