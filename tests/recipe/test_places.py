"""A search that leaves places empty says so."""

from __future__ import annotations

from pathlib import Path

from autostr_nni.recipe import recipe_from
from autostr_nni.recipe.checks.places import unused_places


def test_halving_with_more_places_than_it_looks_back() -> None:
    recipe = recipe_from({"data": {"train": ["a"], "validation": ["b"]}}, Path("/"))
    assert unused_places("halving", recipe, 4) is None and unused_places("random", recipe, 8) is None
    told = unused_places("halving", recipe, 8)
    assert told is not None and told.startswith("halving runs 4 trials at a time, of 8 that may run: raise ")
