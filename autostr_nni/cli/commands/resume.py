"""``autostr resume``: go on with a search that was stopped, killed, or ended by its budget."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.commands.search import (
    add_concurrency,
    add_page_options,
    beside,
    places_of,
    stopped,
    tell,
)
from autostr_nni.cli.make_ready import check_concurrency, prepare_data
from autostr_nni.cli.parser import path_text
from autostr_nni.runs.layout import STATE
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.inprocess.places import Places
    from autostr_nni.progress.display import Display
    from autostr_nni.recipe import Recipe


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the subcommand to the command's parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "resume",
        help="go on with a search",
        description="Go on with a search from what is on disk: trials that have ended are kept, those that "
        "were cut short continue. Output and exit status are those of autostr search.",
    )
    parser.add_argument(
        "search", metavar="ID_OR_DIR", type=path_text, help="id of an NNI experiment, or a search's folder"
    )
    parser.add_argument(
        "--max-trials",
        type=int,
        metavar="N",
        help="more for a search that has used up its trials: N in all; of a random search, N architectures",
    )
    parser.add_argument(
        "--max-duration", metavar="TIME", help="more for one that has used up its time: in all, such as 12h"
    )
    add_concurrency(parser)
    add_page_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Exit status 0 for a search that reached its result, 1 for one that did not, 130 after Ctrl-C."""
    from autostr_nni.progress.display import display_on
    from autostr_nni.report.reading.locate import find_search
    from autostr_nni.system.leaving import stoppable

    if args.max_trials is not None and args.max_trials < 1:
        raise InputError(f"--max-trials must be at least 1, not {args.max_trials}")
    folder = find_search(args.search)
    go_on = _in_process if (folder / STATE).is_file() else _through_nni
    try:
        with stoppable(), display_on(sys.stderr if args.json else sys.stdout) as display:
            result = go_on(folder, args, display)
        return tell(result, args)
    except KeyboardInterrupt as interrupt:
        return stopped(interrupt, folder if go_on is _in_process else None)


def _through_nni(folder: Path, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    if args.concurrency is not None:
        raise InputError("--concurrency is for searches without NNI; through NNI trialConcurrency counts")
    from autostr_nni.nni.resume import resume
    from autostr_nni.nni.search import SearchError

    try:
        return resume(folder, args.port, args.host, args.detach, log, args.max_trials, args.max_duration)
    except SearchError as error:
        return {"failure": str(error)}


def _in_process(folder: Path, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    from autostr_nni.inprocess.run import resume_search

    if args.detach or args.port is not None or args.max_duration is not None:
        raise InputError(f"{folder} is a search without NNI: leave out --port, --detach and --max-duration")
    check_concurrency(args.concurrency)

    def where(recipe: Recipe) -> Places:
        return places_of(recipe, args.concurrency, log)

    with beside(log, args):
        return dict(resume_search(folder, args.max_trials, log=log, prepare=prepare_data, places=where))
