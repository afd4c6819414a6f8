"""A search for each target of a recipe, one after another, and what the nets read of each other's words."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.commands import search as one
from autostr_nni.cli.output import complain, say, say_json
from autostr_nni.cli.targets.text import targets_text
from autostr_nni.recipe.words.targets import SeveralTargets, target_of
from autostr_nni.runs.layout import RECIPE, SUMMARY, through_nni
from autostr_nni.system.errors import InputError
from autostr_nni.system.json_text import read_json

if TYPE_CHECKING:
    from autostr_nni.nni.experiment.file import ExperimentFile
    from autostr_nni.progress.display import Display

Start = Callable[["ExperimentFile", argparse.Namespace, "Display"], dict[str, Any]]


def experiments_of(args: argparse.Namespace) -> list[ExperimentFile]:
    """The experiment of the file, or one for each target of its recipe, all of them checked.

    Experiments of targets through NNI are kept beside one another, in a folder of their own.
    """
    from autostr_nni.nni.experiment.file import load_experiment

    out = None if args.in_process else args.out
    names: Sequence[str] = list(dict.fromkeys(args.target or ()))
    try:
        if not names:
            return [load_experiment(args.config, out)]
    except SeveralTargets as several:
        names = several.names
    if args.detach:
        raise InputError(
            "--detach: targets are searched for one after another, by this command; leave it out"
        )
    found = [load_experiment(args.config, out, name) for name in names]
    for experiment in found:
        folder = args.out or Path("runs") / experiment.folder_name
        experiment.config["experimentWorkingDirectory"] = str(folder.expanduser().resolve())
    return found


def search_all(
    experiments: Sequence[ExperimentFile], args: argparse.Namespace, log: Display, start: Start
) -> dict[str, dict[str, Any]]:
    """Run the searches one after another, whatever becomes of each; the results by target.

    One that was begun goes on, and one that has ended is not run again.
    """
    found = {}
    for place, experiment in enumerate(experiments, 1):
        assert experiment.target is not None
        log(f"target {experiment.target} ({place} of {len(experiments)})")
        begun = None if args.in_process else _begun(experiment)
        ended = _ended(begun, experiment) if begun else None
        if ended is not None:
            log(f"found in {begun}: it has ended")
            found[experiment.target] = ended
        elif begun:
            found[experiment.target] = _go_on(begun, args, log)
        else:
            found[experiment.target] = start(experiment, args, log)
    return found


def _begun(experiment: ExperimentFile) -> Path | None:
    """The experiment that was begun for this target by this strategy, the last where there are several."""
    from autostr_nni.nni.experiment.stored import read_stored
    from autostr_nni.report.reading.locate import searches

    found = [
        folder
        for folder in searches(experiment.directory)
        if through_nni(folder)
        and target_of(read_json(folder / RECIPE)) == experiment.target
        and read_stored(folder).strategy_name == experiment.strategy_name
    ]
    return found[-1] if found else None


def _ended(folder: Path, experiment: ExperimentFile) -> dict[str, Any] | None:
    """What an experiment that has ended has told; None where it goes on, as with more nets for random search.

    Raises InputError where it was told another recipe.
    """
    from autostr_nni.recipe.load import check_unchanged, completed
    from autostr_nni.recipe.weight import changes

    told = read_json(folder / SUMMARY)
    if told.get("status") != "DONE" or "paths" not in told:
        return None
    assert experiment.recipe is not None
    where, whose = f"{experiment.recipe.source}: ", f"the experiment {folder.name}"
    then = read_json(folder / RECIPE)
    check_unchanged(experiment.recipe, then, where, whose, "give another --out")
    kind, now = experiment.kind, experiment.recipe.model_dump(mode="json")
    if kind is not None and kind.grows and changes(now, completed(then), free=()):
        return None
    return {**told, "folder": str(folder)}  # it may have been moved since


def _go_on(folder: Path, args: argparse.Namespace, log: Display) -> dict[str, Any]:
    from autostr_nni.nni.resume import resume
    from autostr_nni.nni.search import SearchError

    try:
        return resume(folder, args.port, args.host, False, log)
    except SearchError as error:
        return {"failure": str(error)}


def tell_all(results: Mapping[str, Mapping[str, Any]], args: argparse.Namespace) -> int:
    """Print what the searches found, and each net on the words of all targets; the exit status."""
    from autostr_nni.report.analysis import analyse
    from autostr_nni.report.reading.locate import read_folder

    status = 0
    for name, result in results.items():
        if not args.json:
            say(f"\nTarget {name}\n")
            status = max(status, one.tell(result, args))
        elif result.get("failure"):
            complain(f"target {name}: {result['failure']}")
            status = 1
    # What was found is told by now, should a record not be readable.
    folders = [Path(result["folder"]) for result in results.values() if "folder" in result]
    report = analyse([read_folder(folder) for folder in folders]) if folders else None
    if args.json:
        compared = None if report is None else report["targets"]
        say_json({"targets": results, "compared": compared}, indent=1)
    elif report is not None:
        say(f"\n{targets_text(report)}\n\nAll of it: {one.report_command(folders[0].parent)}")
    return status
