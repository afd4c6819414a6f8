"""``autostr search``: run the search of an NNI experiment file, through NNI or in this process."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from autostr_nni.cli.make_ready import check_concurrency, check_options, make_ready
from autostr_nni.cli.output import complain, remark, say, say_json
from autostr_nni.cli.parser import path
from autostr_nni.runs.figures import Summary
from autostr_nni.runs.layout import BEST, is_search
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.inprocess.places import Places
    from autostr_nni.nni.experiment.file import ExperimentFile
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
    parser.add_argument("config", type=path, metavar="CONFIG", help="experiment file (YAML, nnictl's format)")
    parser.add_argument("--in-process", action="store_true", help="without NNI, one trial after another")
    add_concurrency(parser)
    add_page_options(parser)
    parser.add_argument(
        "--target",
        metavar="NAME",
        action="append",
        help="of a recipe with data.targets this one; may be given again (default: all, one after another)",
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="where to keep results (default: experimentWorkingDirectory; with --in-process and for targets "
        "runs/NAME, which is continued if it was begun)",
    )
    parser.set_defaults(run=run)
    return parser


def add_concurrency(parser: argparse.ArgumentParser) -> None:
    """How many trials run at a time without NNI."""
    parser.add_argument(
        "--concurrency",
        type=int,
        metavar="N",
        help="with --in-process: N trials at a time, each in a process and, where there are GPUs, on one of "
        "its own (default: 1)",
    )


def places_of(recipe: Recipe, concurrency: int | None, log: Any) -> Places:
    """Where the trials of a search without NNI run. Raises InputError for what cannot be."""
    from autostr_nni.inprocess.places import Places
    from autostr_nni.nni.experiment.gpus import count_gpus, visible

    check_concurrency(concurrency)
    if concurrency in (None, 1):
        return Places()
    if ":" in recipe.training.device:
        raise InputError(
            f"--concurrency {concurrency}: the recipe's training.device is {recipe.training.device}, one GPU "
            "for all; write device: cuda, and choose by CUDA_VISIBLE_DEVICES"
        )
    count = 0 if recipe.training.device == "cpu" else count_gpus()
    places = Places(concurrency, tuple(visible(count)) if count else ())
    each = places.wanted({}, recipe)
    if each and len(places.gpus) // each < concurrency:
        log(
            f"note: {len(places.gpus) // each} of {concurrency} trials can run at a time, "
            f"on {len(places.gpus)} GPUs with training.devices: {recipe.training.devices}"
        )
    return places


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """Where NNI's page is."""
    parser.add_argument("--port", type=int, help="port of NNI's page (default: a free one)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address that NNI's page listens on, 0.0.0.0 for all (default: 127.0.0.1, this machine only; "
        "the page has no password)",
    )


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Options of all that runs an experiment."""
    add_host_options(parser)
    parser.add_argument("--detach", action="store_true", help="leave the experiment running and return")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, progress on stderr")


def run(args: argparse.Namespace) -> int:
    """Exit status 0 for a search that reached its result, 1 for one that did not, 130 after Ctrl-C."""
    from autostr_nni.cli.targets.search import experiments_of, search_all, tell_all
    from autostr_nni.progress.display import display_on
    from autostr_nni.system.leaving import stoppable

    if args.concurrency is not None and not args.in_process:
        raise InputError("--concurrency is for --in-process; through NNI the file's trialConcurrency counts")
    if args.in_process and (args.detach or args.port is not None):
        raise InputError("--in-process has no page and cannot be detached: leave out --port and --detach")
    experiments = experiments_of(args)
    start = _in_process if args.in_process else _through_nni
    try:
        with stoppable(), display_on(sys.stderr if args.json else sys.stdout) as display:
            for experiment in experiments:
                check_options(experiment, args, folder_without_nni(args, experiment))
            for experiment in experiments:
                make_ready(experiment, args, display)
            if experiments[0].target is not None:
                results = search_all(experiments, args, display, start)
            else:
                result = start(experiments[0], args, display)
    except KeyboardInterrupt as interrupt:
        if experiments[0].target is not None:
            remark("autostr: stopped; nothing is left running; the same command goes on")
            return 130
        return stopped(interrupt, folder_without_nni(args, experiments[0]) if args.in_process else None)
    return tell(result, args) if experiments[0].target is None else tell_all(results, args)


def _through_nni(experiment: ExperimentFile, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    from autostr_nni.nni.search import SearchError, search

    try:
        return search(experiment, args.port, args.host, args.detach, log)
    except SearchError as error:
        return {"failure": str(error)}


def _in_process(experiment: ExperimentFile, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    from autostr_nni.inprocess.run import run_search
    from autostr_nni.nni.experiment.gpus import gpu_number

    strategy = experiment.strategy()
    if strategy is None or experiment.recipe is None:
        raise InputError(f"{args.config}: --in-process needs a tuner of autostr_nni and its recipe")
    folder = folder_without_nni(args, experiment)
    if experiment.config.get("assessor") is not None:
        log("without NNI the assessor is not asked: every trial runs to its end")
    log(f"folder: {folder}")
    if gpu_number(experiment.config) is not None:
        log("note: trialGpuNumber is NNI's; with --in-process the recipe's training.device and devices count")
    places = places_of(experiment.recipe, args.concurrency, log)
    with beside(log, args):
        return dict(run_search(strategy, experiment.recipe, folder, log=log, places=places))


def folder_without_nni(args: argparse.Namespace, experiment: ExperimentFile) -> Path:
    """Where a search without NNI is kept."""
    folder: Path = args.out or Path("runs") / experiment.folder_name
    return folder if experiment.target is None else folder / experiment.target


def stopped(interrupt: KeyboardInterrupt, without_nni: Path | None) -> int:
    """Tell of an interrupted search, and how it goes on if it had begun; the exit status."""
    from autostr_nni.nni.experiment.stored import resume_command
    from autostr_nni.nni.search import Interrupted

    folder = interrupt.folder if isinstance(interrupt, Interrupted) else without_nni
    begun = folder is not None and is_search(folder)
    go_on = f"; go on with: {resume_command(folder)}" if folder and begun else ""
    remark(f"autostr: stopped; nothing is left running{go_on}")
    return 130


def beside(display: Display, args: argparse.Namespace) -> AbstractContextManager[None]:
    """What trials print: not to stdout with --json, which is the summary's alone, nor over the state."""
    from autostr_nni.progress.display import others_beside

    return others_beside(display, sys.stderr if args.json else sys.stdout)


def tell(result: Mapping[str, Any], args: argparse.Namespace) -> int:
    """Print what a search found; the exit status."""
    from autostr_nni.runs.told import remarks, summary_text

    failure = result.get("failure")
    if args.json:
        say_json(result, indent=1)
    elif "paths" in result:
        say(summary_text(cast(Summary, result)))
        say(f"Kept in {result['folder']}")
        if commands := next_commands(result):
            say("\n".join(["Next:", *(f"  {command}" for command in commands)]))
        for told in remarks(result):
            say(f"Note: {told}.")
    if args.json:
        for told in remarks(result):
            remark(f"autostr: warning: {told}")
    if failure:
        complain(failure)
    return 1 if failure else 0


def next_commands(result: Mapping[str, Any]) -> list[str]:
    """What may be done with the net that was found; each command works as it stands."""
    from autostr_nni.nni.experiment.stored import name_of

    best = result.get("best")
    if not best or not best.get("folder") or not (Path(best["folder"]) / BEST).is_file():
        return []
    name = shlex.quote(name_of(Path(result["folder"])))
    front = " --front" if len(result.get("front") or []) > 1 else ""
    onnx = all(find_spec(module) is not None for module in ("onnx", "onnxruntime"))
    return [
        f"autostr evaluate {name}",
        f"autostr export {name} net.{'onnx' if onnx else 'pt2'}{front}",
        report_command(Path(result["folder"])),
    ]


def report_command(folder: Path) -> str:
    """The command that makes the report of the search in a folder."""
    from autostr_nni.nni.experiment.stored import name_of

    report = Path("runs") / f"report-{folder.name}"
    force = ["--force"] if report.exists() else []
    return shlex.join(["autostr", "report", name_of(folder), "--out", str(report), *force])
