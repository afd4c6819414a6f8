"""What is seen to before the first trial of a search: devices, words, and what its nets start from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.strategies.steps import OPERATORS, PATH, RUNG, SUPERNET
from autostr_nni.system.errors import InputError
from autostr_nni.system.user import may_write

if TYPE_CHECKING:
    from autostr_nni.nni.experiment.file import ExperimentFile
    from autostr_nni.progress.display import Display, Log
    from autostr_nni.recipe import Recipe


def check_options(experiment: ExperimentFile, args: argparse.Namespace, folder: Path) -> None:
    """Raise InputError for options that cannot be met: before words are rendered, which takes minutes.

    ``folder`` is where a search without NNI is kept.
    """
    if args.in_process:
        check_concurrency(args.concurrency)
        if not may_write(folder):
            raise InputError(f"{folder}: no folder can be made there; name another for the search with --out")
        return
    from autostr_nni.nni.manager.launcher import choose_port
    from autostr_nni.nni.manager.places import make_directory

    choose_port(args.port, args.host, experiment.remote)
    make_directory(experiment.directory)


def check_concurrency(concurrency: int | None) -> None:
    """Raise InputError for no trial at a time."""
    if concurrency is not None and concurrency < 1:
        raise InputError(f"--concurrency must be at least 1, not {concurrency}")


def make_ready(experiment: ExperimentFile, args: argparse.Namespace, display: Display) -> None:
    """See to devices and words before the first trial. Raises InputError for what is not there."""
    from autostr_nni.nni.experiment.gpus import fit_to_machine
    from autostr_nni.nni.experiment.trial_command import check_command
    from autostr_nni.recipe.checks.one_shot import check_one_shot
    from autostr_nni.recipe.checks.traps import check_traps

    if not args.in_process:
        fit_to_machine(experiment, display)
        if experiment.here:
            check_command(experiment.config, experiment.path)
    check_start(experiment, display)
    kind = experiment.kind
    if experiment.recipe is not None and kind is not None and SUPERNET in kind.steps:
        check_one_shot(experiment.recipe)
    if experiment.recipe is not None and (experiment.here or args.in_process):
        check_traps(experiment.recipe)
        check_devices(experiment.recipe)
        prepare_data(experiment.recipe, display)


def check_devices(recipe: Recipe) -> None:
    """Raise InputError where a device that the recipe names is not there; those without a name always are."""
    training = recipe.training
    apart = recipe.search.operators.devices not in (None, 1)
    if not training.device.startswith("cuda") and training.devices == 1 and not apart:
        return  # spares the import of torch
    from autostr_nni.training.device_setup import devices_of

    try:
        devices_of(training)
        if apart:
            devices_of(recipe.for_operators().training, "search.operators.devices")
    except InputError as error:
        raise InputError(f"{recipe.source or 'recipe'}: {error}") from None


def prepare_data(recipe: Any, log: Any) -> None:
    """Render the word sets that the recipe asks for, before any trial needs them."""
    from autostr_nni.data.sets.prepare import prepare_data
    from autostr_nni.recipe.checks.extras import check_extras

    check_extras(recipe)
    prepare_data(recipe, log)


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
    kind = experiment.kind
    if kind is None:
        return
    steps, proxy = set(kind.steps), recipe.has_proxy
    if recipe.search.init.file and not steps & {PATH, OPERATORS, SUPERNET} and not (proxy and RUNG in steps):
        log(
            f"note: a {kind.name} search has no path trials and no supernet, so search.init is of no use "
            "to it; training.init is what its nets start from"
        )
    if recipe.training.init.file and SUPERNET in steps:
        log("note: the nets of a one-shot search start from its supernet, and not from training.init")
