"""How the space is searched: ask/tell strategies and the operator search."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from autostr_nni.system.errors import InputError

from .core import Proposal, Strategy, Trial
from .halving import Halving, Ladder, ladder_of
from .random_search import RandomSearch
from .two_step import TwoStep

if TYPE_CHECKING:  # a strategy needs the recipe's values, not its classes
    from autostr_nni.recipe import Recipe

NAMES = (TwoStep.name, RandomSearch.name, Halving.name)

__all__ = ["NAMES", "Halving", "Proposal", "RandomSearch", "Strategy", "Trial", "TwoStep", "build"]


def build(name: str, recipe: Recipe) -> Strategy:
    """The strategy `two-step`, `random` or `halving` over a recipe. Raises InputError for another name."""
    space = recipe.space()
    if name == TwoStep.name:
        return TwoStep(space, recipe.search_paths())
    if name == RandomSearch.name:
        settings = recipe.search.random
        return RandomSearch(
            space,
            settings.count,
            recipe.seed,
            max_macs=recipe.search.operators.budget,
            paths=space.typical_paths() if settings.paths == "typical" else None,
            min_macs=recipe.random_min_macs,
            largest=settings.largest,
        )
    if name == Halving.name:
        options = recipe.search.halving
        epochs = recipe.training.epochs
        return Halving(
            space,
            Ladder(options.rungs or ladder_of(epochs), options.reduction),
            options.nets,
            recipe.seed,
            max_macs=recipe.search.operators.budget,
            min_macs=int(options.min_m * 1e6),
            explore=options.explore,
            lookback=options.lookback,
            proxy=recipe.has_proxy,
        )
    near = get_close_matches(name, NAMES, n=1, cutoff=0.3)
    hint = f"; nearest is {near[0]!r}" if near else ""
    raise InputError(f"there is no strategy {name!r}, there are {' and '.join(NAMES)}{hint}")
