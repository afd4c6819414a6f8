"""Whether a space has nets that keep to a recipe's budget and bands, and a table all of its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autostr_nni.search_spaces.latency import check_covers
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe.search import SearchSection


def check_budget(search: SearchSection, space: SearchSpace) -> None:
    """Raise ValueError where a table lacks blocks of the space, or a band holds nothing."""
    price, budget, key = search.cost.price, search.operators.budget, _key(search)
    if price.latency is not None:
        try:
            check_covers(price.latency, space, "search.cost.table")
        except InputError as error:
            raise ValueError(str(error)) from None
    for section, least_m in (
        ("halving", search.halving.min_m),
        ("random", search.random.min_m or 0.0),
        ("one_shot", search.one_shot.min_m),
    ):
        if least_m * 1e6 > budget:
            raise ValueError(
                f"search.{section}.min_m: {least_m:g} {price.unit} is above {key}, "
                f"which is {budget / 1e6:g}: no net lies between"
            )


def check_paths_fit(search: SearchSection, space: SearchSpace, paths: Sequence[StridePath]) -> None:
    """Raise ValueError where a path of step 1 has no net within the budget."""
    price, budget, key = search.cost.price, search.operators.budget, _key(search)
    for path in paths:
        least = price.fixed(space) + sum(min(layer.values()) for layer in price.table(path, space))
        if least > budget:
            raise ValueError(
                f"{key}: {price.said(budget)} is below the smallest net on the path "
                f"{path.text(space.stage_layers)}, which has {least / 1e6:.3f} {price.unit}"
            )


def _key(search: SearchSection) -> str:
    """Where the budget stands."""
    return search.cost.price.budget_key if search.cost.budget is None else "search.cost.budget"
