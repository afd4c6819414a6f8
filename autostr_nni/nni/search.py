"""A search through NNI from start to summary: what ``autostr search`` does."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.experiment.stored import more_command, resume_command
from autostr_nni.nni.manager.launcher import choose_port, start_experiment
from autostr_nni.nni.manager.rest import FINAL_STATUSES, LOOPBACK
from autostr_nni.nni.manager.running import RunningExperiment, SearchError, follow
from autostr_nni.nni.progress import ExperimentProgress
from autostr_nni.nni.rows import failed_sentence, last_words, parameters_of, record_of
from autostr_nni.nni.state import keep_recipe, read_state
from autostr_nni.progress.display import Log
from autostr_nni.recipe.checks.places import unused_places
from autostr_nni.recipe.training import LEARNT_ABOVE
from autostr_nni.runs.figures import Summary
from autostr_nni.runs.layout import LOGS, RESUME_LOCK, SUMMARY
from autostr_nni.runs.summary import best_of_all, summarize
from autostr_nni.system.files import write_atomic
from autostr_nni.system.leaving import handling, pass_over, stoppable
from autostr_nni.system.locks import Taken, hold


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a signal that stands for it, in a search that can go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder


def search(experiment: ExperimentFile, port: int | None, host: str, detach: bool, log: Log) -> dict[str, Any]:
    """Run the experiment to its end, or only start it with ``detach``.

    Returns ``experiment``, ``page``, ``folder``, ``status``, ``failure`` (a sentence; None for success) and
    what `summary.summarize` gives. Whatever happens, nothing is left running, except with ``detach``.
    Raises InputError, SearchError, and Interrupted on Ctrl-C and SIGTERM.
    """
    return run(experiment, port, host, detach, log)


def run(
    experiment: ExperimentFile,
    port: int | None,
    host: str,
    detach: bool,
    log: Log,
    resumed: str | None = None,
) -> dict[str, Any]:
    """The same; ``resumed`` is the id of an experiment that goes on where it was."""
    port = choose_port(port, host, experiment.remote)
    with stoppable(), ExitStack() as held:
        running = start_experiment(experiment, port, host, detach, resumed)
        about = {"experiment": running.id, "page": f"{running.address}/", "folder": str(running.folder)}
        try:
            if resumed is None:  # else it is held already
                with suppress(OSError, Taken):  # a file system without locks
                    held.enter_context(hold(running.folder / RESUME_LOCK))
            if experiment.strategy_name is None and experiment.recipe is not None:
                keep_recipe(running.folder, experiment.recipe.model_dump(mode="json"))  # as our tuners do
            log(f"page: {about['page']}  experiment: {running.id}")
            if host != LOOPBACK:
                log(f"warning: the page is open to everyone who reaches {host}, and it asks for no password")
            if unused := unused_places(experiment.strategy_name, experiment.recipe, experiment.concurrency):
                log(unused)
            if detach:
                log(f"stop it with: nnictl stop {running.id}")
                return {**about, "status": "RUNNING", "failure": None}
            progress = ExperimentProgress(running.folder, experiment, log)
            status, errors, rows = follow(running, progress, lambda: of_another(experiment, running))
        except KeyboardInterrupt:
            log("stopping")
            raise Interrupted(running.folder) from None
        finally:
            if not detach:
                # Another Ctrl-C must not leave the half of it running.
                with handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), pass_over):
                    running.stop()
    records = [record_of(row, running.folder) for row in rows if row["status"] in FINAL_STATUSES]
    another = of_another(experiment, running)
    recipe = experiment.recipe
    above, size = (recipe.evaluation.learnt_above, recipe.search.front.size) if recipe else (LEARNT_ABOVE, 1)
    found = best_of_all(records, minimizes(experiment), above) if another else summarize(records, above, size)
    failure = _failure(status, errors, running, rows, found, experiment) or found["verdict"]["best"]
    result = {**about, "status": status, "failure": failure, **found}
    write_atomic(running.folder / SUMMARY, json.dumps(result, indent=1) + "\n")
    return result


def of_another(experiment: ExperimentFile, running: RunningExperiment) -> bool:
    """Whether the search is by a tuner that is not made of ours, and so keeps no state and never ends it."""
    return experiment.strategy_name is None and not read_state(running.folder)


def minimizes(experiment: ExperimentFile) -> bool:
    arguments = experiment.config["tuner"].get("classArgs") or {}
    return bool(arguments.get("optimize_mode") == "minimize")


def _failure(
    status: str,
    errors: list[str],
    running: RunningExperiment,
    rows: list[dict[str, Any]],
    found: Summary,
    experiment: ExperimentFile,
) -> str | None:
    """Why the search has no result, in one sentence; None if it has one."""
    state = read_state(running.folder)
    go_on = f"go on with: {resume_command(running.folder)}"
    if status == "ERROR":
        reason = state.get("error") or "; ".join(errors) or "NNI gives no reason"
        if "dispatcher.log" in reason and (said := last_words(running.folder / LOGS / "dispatcher.log")):
            reason = f"{reason} It says: {said}"
        return f"the experiment ended in an error ({reason}); its logs: {running.folder / 'log'}; {go_on}"
    if status != "DONE":
        return f"the experiment was stopped before the search was finished (status {status}); {go_on}"
    last = next((row for row in reversed(rows) if row["trialJobId"] in found["failed"]), None)
    failed = (
        failed_sentence(last["trialJobId"], parameters_of(last), last["status"], running.folder)
        if last
        else ""
    )
    if state.get("failure"):
        return f"the search failed: {state['failure']}" + (f"; {failed}" if failed else "")
    if not state and experiment.strategy_name is None:  # of another's tuner: its trials are all there is
        return None if found["best"] else f"no trial gave a result{f' ({failed})' if failed else ''}"
    if not state.get("finished"):
        limit = "maxTrialNumber or maxExperimentDuration was reached before the search was finished"
        more = more_command(running.folder, experiment.config, state, len(rows))
        return f"{limit}{f' ({failed})' if failed else ''}; give it more with: {more}"
    if experiment.strategy_name is not None and not found["best"]:
        return f"the search ended without a trained net{f'; {failed}' if failed else ''}; {go_on}"
    return None


__all__ = ["Interrupted", "SearchError", "search"]
