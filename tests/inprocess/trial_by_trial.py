"""A search that is stopped after every trial, and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import Recipe
from autostr_nni.strategies import build
from autostr_nni.training.run_trial import run_proposal


def stopped_after_every_trial(strategy: str, recipe: Recipe, folder: Path) -> Any:
    """The outcome of the search, of which each start runs one trial."""
    ran = 0

    def one_more(parameters, recipe, folder, report):
        nonlocal ran
        if ran:
            raise KeyboardInterrupt
        ran += 1
        return run_proposal(parameters, recipe, folder, report)

    for _ in range(30):
        ran = 0
        try:
            return run_search(build(strategy, recipe), recipe, folder, one_more, log=lambda line: None)
        except KeyboardInterrupt:
            continue
    raise AssertionError("the search has not ended after 30 starts")
