"""Whether a search uses as many trials at a time as it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autostr_nni.recipe.recipe import Recipe


def unused_places(strategy: str | None, recipe: Recipe | None, places: int) -> str | None:
    """A sentence where halving proposes fewer trials at a time than may run; None where it does not."""
    if strategy != "halving" or recipe is None or recipe.search.halving.lookback >= places:
        return None
    return (
        f"halving runs {recipe.search.halving.lookback} trials at a time, of {places} that may run: raise "
        "search.halving.lookback to use them all, which makes it another search"
    )
