"""``autostr search``: run the search of an NNI experiment file, through NNI or in this process."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.search_spaces.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.nni.experiment_file import ExperimentFile
    from autostr_nni.progress.display import Display
    from autostr_nni.recipe import Recipe


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the subcommand to the command's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "search",
        help="run a search",
        description="Run the search of an NNI experiment file: start NNI, print the address of its page, "
        "show progress, and end with a summary. Exit status 0 only if the search reached its result.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="experiment file (YAML, nnictl's format)")
    parser.add_argument("--in-process", action="store_true", help="without NNI, one trial after another")
    add_page_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to keep results (default: experimentWorkingDirectory; with --in-process runs/NAME, "
        "which is continued if it was begun)",
    )
    parser.set_defaults(run=run)
    return parser


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Options of all that runs an experiment."""
    parser.add_argument("--port", type=int, help="port of NNI's page (default: a free one)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address that NNI's page listens on, 0.0.0.0 for all (default: 127.0.0.1, this machine only; "
        "the page has no password)",
    )
    parser.add_argument("--detach", action="store_true", help="leave the experiment running and return")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, progress on stderr")


def run(args: argparse.Namespace) -> int:
    """Exit status 0 for a search that reached its result, 1 for one that did not, 130 after Ctrl-C."""
    from autostr_nni.nni.experiment_file import load_experiment
    from autostr_nni.nni.gpus import fit_to_machine
    from autostr_nni.nni.launcher import stoppable
    from autostr_nni.progress.display import display_on
    from autostr_nni.recipe.traps import check_traps

    if args.in_process and (args.detach or args.port is not None):
        raise InputError("--in-process has no page and cannot be detached: leave out --port and --detach")
    experiment = load_experiment(args.config, None if args.in_process else args.out)
    start = _in_process if args.in_process else _through_nni
    try:
        with stoppable(), display_on(sys.stderr if args.json else sys.stdout) as display:
            if not args.in_process:
                fit_to_machine(experiment, display)
            if experiment.recipe is not None and (experiment.here or args.in_process):
                check_traps(experiment.recipe)
                check_devices(experiment.recipe)
                prepare_data(experiment.recipe, display)
            result = start(experiment, args, display)
    except KeyboardInterrupt:
        print("autostr: stopped; nothing is left running", file=sys.stderr)
        return 130
    return tell(result, args)


def check_devices(recipe: Recipe) -> None:
    """Raise InputError where a device that the recipe names is not there; those without a name always are."""
    training = recipe.training
    if not training.device.startswith("cuda") and training.devices == 1:
        return  # spares the import of torch
    from autostr_nni.training.loop import devices_of

    try:
        devices_of(training)
    except InputError as error:
        raise InputError(f"{recipe.source or 'recipe'}: {error}") from None


def prepare_data(recipe: Any, log: Any) -> None:
    """Render the word sets that the recipe asks for, before any trial needs them."""
    from autostr_nni.data.prepare import prepare_data
    from autostr_nni.recipe.extras import check_extras

    check_extras(recipe)
    prepare_data(recipe, log)


def _through_nni(experiment: ExperimentFile, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    from autostr_nni.nni.places import make_directory
    from autostr_nni.nni.search import SearchError, search

    make_directory(experiment.directory)
    try:
        return search(experiment, args.port, args.host, args.detach, log)
    except SearchError as error:
        return {"failure": str(error)}


def _in_process(experiment: ExperimentFile, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    from autostr_nni.inprocess import run_search

    strategy = experiment.strategy()
    if strategy is None or experiment.recipe is None:
        raise InputError(f"{args.config}: --in-process needs a tuner of autostr_nni and its recipe")
    folder = args.out or Path("runs") / experiment.folder_name
    log(f"folder: {folder}")
    with beside(log, args):
        return dict(run_search(strategy, experiment.recipe, folder, log=log))


def beside(display: Display, args: argparse.Namespace) -> AbstractContextManager[None]:
    """What trials print: not to stdout with --json, which is the summary's alone, nor over the state."""
    from autostr_nni.progress.display import others_beside

    return others_beside(display, sys.stderr if args.json else sys.stdout)


def tell(result: dict[str, Any], args: argparse.Namespace) -> int:
    """Print what a search found; the exit status."""
    from autostr_nni.summary import summary_text

    failure = result.get("failure")
    if args.json:
        print(json.dumps(result, indent=1))
    elif "paths" in result:
        print(summary_text(result))
        print(f"Kept in {result['folder']}")
    if failure:
        print(f"autostr: error: {failure}", file=sys.stderr)
    return 1 if failure else 0
