"""Going on with an NNI experiment from its folder: what ``autostr resume`` does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.experiment.gpus import fit_to_machine
from autostr_nni.nni.experiment.stored import Stored, change, more_command, read_stored
from autostr_nni.nni.experiment.trial_command import recipe_of_trials
from autostr_nni.nni.experiment.tuners import code_of
from autostr_nni.nni.experiment.values import seconds_of
from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.launcher import choose_port
from autostr_nni.nni.search import run
from autostr_nni.nni.state import find_state
from autostr_nni.progress.display import Log
from autostr_nni.recipe.checks.extras import check_extras
from autostr_nni.runs.layout import RECIPE, RESUME_LOCK, SUMMARY
from autostr_nni.strategies import find
from autostr_nni.strategies.core import Book, saved_trials
from autostr_nni.system.errors import InputError
from autostr_nni.system.json_text import read_json
from autostr_nni.system.locks import Taken, hold

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


def resume(
    folder: Path,
    port: int | None,
    host: str,
    detach: bool,
    log: Log,
    max_trials: int | None = None,
    max_duration: str | None = None,
) -> dict[str, Any]:
    """Go on with the experiment in `folder`, to its end; the same as `search.search` otherwise.

    Trials that have ended are kept. Those that were cut short run again under their names.

    Args:
        max_trials: the trials that the search may have in all; of one that grows (random search), the nets.
        max_duration: how long the experiment may run in all, as NNI writes it: `12h`.

    Raises InputError where the experiment cannot go on, SearchError, and KeyboardInterrupt.
    """
    with alone(folder):
        stored = before = read_stored(folder)
        if stored.params.get("experimentType", "hpo") != "hpo":
            raise InputError(
                f"experiment {folder.name} was run by NNI's NasExperiment, which NNI 3.0 cannot resume; "
                "run it again, or search with autostr search"
            )
        choose_port(port, host)  # words may have to be rendered before it is needed
        recipe = _recipe(stored)
        if recipe is not None:
            check_extras(recipe)
        state, complaint = find_state(folder)
        stored = with_budget(stored, recipe, state, max_trials, max_duration)
        if complaint:
            log(complaint)
        left = processes.members_of(folder)
        if left:  # of a manager that was killed: two processes must not be one trial
            log(f"ending {len(left)} processes that the experiment has left running")
            processes.end(left)
        config = {**stored.params, "experimentWorkingDirectory": str(folder.parent)}
        experiment = ExperimentFile(folder, config, recipe, stored.strategy_name)
        fit_to_machine(experiment, log, begun=True)
        done = len(stored.trials) - stored.in_flight
        log(f"going on in {folder}: {done} trials have ended, {stored.in_flight} were cut short")
        if not state.get("finished") or stored.params != before.params:  # it has not ended, or has more now
            (folder / SUMMARY).unlink(missing_ok=True)
        return run(experiment, port, host, detach, log, resumed=folder.name)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the experiment: nothing else runs it, shows it or goes on with it."""
    with contextlib.ExitStack() as stack:
        manager = processes.manager_of(folder)
        locked = False
        try:
            stack.enter_context(hold(folder / RESUME_LOCK))
        except OSError as error:
            raise InputError(f"{folder}: cannot be written to ({error.strerror})") from None
        except Taken:
            locked = True
        if locked or manager is not None:
            port = processes.port_of(manager) if manager is not None else None
            page = f" (page: http://127.0.0.1:{port}/)" if port else ""
            raise InputError(
                f"experiment {folder.name} is still running{page}; let it end, or stop it with: "
                f"nnictl stop {folder.name}"
            )
        yield


def _recipe(stored: Stored) -> Recipe | None:
    """The experiment's recipe. Raises InputError if it is not what the trials so far were told."""
    from autostr_nni.recipe import load_recipe
    from autostr_nni.recipe.load import check_unchanged

    path = stored.recipe_path
    if stored.strategy_name is None:  # a tuner that is not ours knows no recipe, but trials of ours do
        path = recipe_of_trials(stored.params["trialCommand"], stored.params.get("trialCodeDirectory") or ".")
    if path is None:
        return None
    recipe = load_recipe(path)
    told = read_json(stored.folder / RECIPE)
    if told:
        check_unchanged(
            recipe,
            told,
            f"{path}: ",
            f"the experiment {stored.folder.name}",
            "start a new search",
        )
    return recipe


def with_budget(
    stored: Stored,
    recipe: Recipe | None,
    state: dict[str, Any],
    max_trials: int | None,
    max_duration: str | None,
) -> Stored:
    """Give the experiment what was asked for. Raises InputError if it has nothing left to go on with."""
    params = dict(stored.params)
    had = len(stored.trials) - stored.in_flight
    kind = None
    if stored.strategy_name is not None and recipe is not None:
        kind = find(stored.strategy_name, code_of(stored.params["tuner"]))
    if kind is not None and kind.grows and recipe is not None and state:
        params, grown = _with_nets(kind, params, recipe, state, max_trials)
    else:
        grown = max_trials is not None
        if max_trials is not None:
            if state.get("finished"):
                raise InputError(
                    f"experiment {stored.folder.name} is finished; it has no use for more trials"
                )
            if max_trials <= had:
                raise InputError(
                    f"--max-trials {max_trials}: experiment {stored.folder.name} has had {had} trials already"
                )
            params["maxTrialNumber"] = max_trials
    if max_duration is not None:
        if seconds_of(max_duration) is None:
            raise InputError(f"--max-duration {max_duration}: write a number and s, m, h or d, such as 12h")
        if state.get("finished") and not grown:
            raise InputError(f"experiment {stored.folder.name} is finished; it has no use for more time")
        params["maxExperimentDuration"] = max_duration
    if not state.get("finished") or grown:
        _check_left(stored, params, had, state)
    return change(stored, params) if params != stored.params else stored


def _with_nets(
    kind: type[Book], params: dict[str, Any], recipe: Recipe, state: dict[str, Any], max_trials: int | None
) -> tuple[dict[str, Any], bool]:
    """Let a search that grows have more nets; whether it does."""
    drawn = kind.drawn(saved_trials(state["state"]))
    arguments = params["tuner"]["classArgs"]
    if max_trials is not None and max_trials < drawn:
        raise InputError(f"--max-trials {max_trials}: the search has {drawn} architectures already")
    planned = kind.drawn(kind.from_recipe(recipe).trials)
    count = max(planned, arguments.get("count") or 0, max_trials or 0)
    if count == drawn and max_trials is None:
        return params, False
    tuner = {**params["tuner"], "classArgs": {**arguments, "count": count}}
    # NNI's own limit counts repeated trials too; the tuner knows when the search has ended.
    params = {key: value for key, value in params.items() if key != "maxTrialNumber"}
    return {**params, "tuner": tuner}, True


def _check_left(stored: Stored, params: dict[str, Any], had: int, state: dict[str, Any]) -> None:
    from nni.experiment.config.utils import parse_time

    name, limit, duration = (
        stored.folder.name,
        params.get("maxTrialNumber"),
        params.get("maxExperimentDuration"),
    )
    if limit is not None and had >= limit:
        raise InputError(
            f"experiment {name} has used up its maxTrialNumber of {limit}; give it more with: "
            f"{more_command(stored.folder, params, state, had)}"
        )
    if duration is None:
        return
    try:
        seconds = parse_time(duration)
    except Exception:  # NNI raises whatever int() and re do
        raise InputError(f"--max-duration {duration}: write a number and s, m, h or d, such as 12h") from None
    if stored.seconds >= seconds:
        raise InputError(
            f"experiment {name} has used up its maxExperimentDuration of {duration}; give it more with: "
            f"{more_command(stored.folder, params, state, had)}"
        )
