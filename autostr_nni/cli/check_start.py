"""What a search's nets start from, looked at before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostr_nni.strategies.steps import OPERATORS, PATH, RUNG, SUPERNET
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.nni.experiment.file import ExperimentFile
    from autostr_nni.progress.display import Log


def check_start(experiment: ExperimentFile, log: Log) -> None:
    """Look at the nets that the recipe has others start from, and tell where a search makes no use of one.

    Raises InputError for a file that cannot be used, or that fits no net of the search.
    """
    recipe = experiment.recipe
    if recipe is None or recipe.search.init.file is None and recipe.training.init.file is None:
        return  # spares the import of torch
    from autostr_nni.training.going_on.initial import check_inits

    try:
        check_inits(recipe)
    except InputError as error:
        raise InputError(f"{recipe.source or 'recipe'}: {error}") from None
    strategy = experiment.strategy()
    if strategy is None:
        return
    steps, proxy = set(strategy.steps), recipe.has_proxy
    if recipe.search.init.file and not steps & {PATH, OPERATORS, SUPERNET} and not (proxy and RUNG in steps):
        log(
            f"note: a {strategy.name} search has no path trials and no supernet, so search.init is of no use "
            "to it; training.init is what its nets start from"
        )
    if recipe.training.init.file and SUPERNET in steps:
        log("note: the nets of a one-shot search start from its supernet, and not from training.init")
