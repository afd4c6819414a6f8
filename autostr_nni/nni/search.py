"""A search through NNI from start to summary: what ``autostr search`` does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autostr_nni.files import write_atomic
from autostr_nni.nni.experiment_file import ExperimentFile
from autostr_nni.nni.launcher import (
    RunningExperiment,
    SearchError,
    choose_port,
    follow,
    start_experiment,
    stoppable,
)
from autostr_nni.nni.rest import FINAL_STATUSES, LOOPBACK
from autostr_nni.nni.state import read_state
from autostr_nni.summary import TrialRecord, number, read_trial, summarize

Log = Callable[[str], None]


def search(experiment: ExperimentFile, port: int | None, host: str, detach: bool, log: Log) -> dict[str, Any]:
    """Run the experiment to its end, or only start it with ``detach``.

    Returns ``experiment``, ``page``, ``folder``, ``status``, ``failure`` (a sentence; None for success) and
    what `summary.summarize` gives. Whatever happens, nothing is left running, except with ``detach``.
    Raises InputError, SearchError, and KeyboardInterrupt on Ctrl-C and SIGTERM.
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
    port = choose_port(port, host)
    with stoppable():
        running = start_experiment(experiment, port, host, detach, resumed)
        about = {"experiment": running.id, "page": f"{running.address}/", "folder": str(running.folder)}
        try:
            log(f"page: {about['page']}  experiment: {running.id}")
            if host != LOOPBACK:
                log(f"warning: the page is open to everyone who reaches {host}, and it asks for no password")
            if detach:
                log(f"stop it with: nnictl stop {running.id}")
                return {**about, "status": "RUNNING", "failure": None}
            progress = Progress(running.folder, experiment, log)
            status, errors, rows = follow(running, progress)
        finally:
            if not detach:
                running.stop()
    records = [record_of(row, running.folder) for row in rows if row["status"] in FINAL_STATUSES]
    failure = _failure(status, errors, running, records)
    result = {**about, "status": status, "failure": failure, **summarize(records)}
    write_atomic(running.folder / "summary.json", json.dumps(result, indent=1) + "\n")
    return result


def record_of(row: Mapping[str, Any], folder: Path) -> TrialRecord:
    """A trial as NNI lists it, with what it left in its folder."""
    place = trial_folder(folder, row["trialJobId"])
    metrics = final_metrics(row)
    return TrialRecord(row["trialJobId"], parameters_of(row), metrics, place, read_trial(place, {}).result)


def trial_folder(folder: Path, trial: str) -> Path:
    """Where a trial of an experiment keeps its files, on this machine."""
    return next(folder.glob(f"environments/*/trials/{trial}"), folder / "trials" / trial)


def parameters_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in one row of NNI's list."""
    packed = row.get("hyperParameters") or ["{}"]
    return dict(json.loads(packed[0]).get("parameters") or {})


def final_metrics(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The final report in one row of NNI's list; NNI packs it as JSON within JSON."""
    reports = row.get("finalMetricData") or []
    if not reports or row["status"] != "SUCCEEDED":
        return None
    value = reports[0]["data"]
    while isinstance(value, str):
        value = json.loads(value)
    return value if isinstance(value, dict) else {"default": value}


class Progress:
    """Prints a line when the state of a trial has changed."""

    def __init__(self, folder: Path, experiment: ExperimentFile, log: Log) -> None:
        strategy = experiment.strategy()
        self._planned = strategy.planned if strategy is not None else experiment.config.get("maxTrialNumber")
        self._folder = folder
        self._log = log
        self._told: set[str] = set()

    def __call__(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["status"] in FINAL_STATUSES and row["trialJobId"] not in self._told:
                self._told.add(row["trialJobId"])
                if final_metrics(row) is None:
                    self._log(
                        failed_sentence(row["trialJobId"], parameters_of(row), row["status"], self._folder)
                    )
        self._log(self.line(rows))

    def line(self, rows: list[dict[str, Any]]) -> str:
        """``3 of 12 trials done, 2 running, best word accuracy 41.2 % (ABABB)``."""
        results = [(final_metrics(row), parameters_of(row)) for row in rows]
        scores = [
            (number(metrics, "default"), parameters) for metrics, parameters in results if metrics is not None
        ]
        running = sum(row["status"] == "RUNNING" for row in rows)
        of = f" of {self._planned}" if self._planned else ""
        text = f"{len(scores)}{of} trials done, {running} running"
        failed = sum(row["status"] in FINAL_STATUSES for row in rows) - len(scores)
        if failed:
            text += f", {failed} failed"
        best = max(
            ((score, p) for score, p in scores if score is not None), key=lambda pair: pair[0], default=None
        )
        if best is not None:
            text += f", best word accuracy {100 * best[0]:.1f} % ({describe(best[1])})"
        return text


def describe(parameters: Mapping[str, Any]) -> str:
    """A trial in a few words: ``path ABABB``."""
    words = [str(parameters[key]) for key in ("step", "stride_path") if key in parameters]
    return " ".join(words) or ", ".join(f"{key} {value}" for key, value in parameters.items())


def failed_sentence(trial: str, parameters: Mapping[str, Any], status: str, folder: Path) -> str:
    """Which trial failed, its last words, and where its log is."""
    log = trial_folder(folder, trial) / "trial.stderr"
    try:
        words = [
            line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
    except OSError:
        words = []
    said = f": {words[-1].strip()}" if words else ""
    what = (
        "was cancelled" if "CANCELED" in status else "gave no result" if status == "SUCCEEDED" else "failed"
    )
    return f"trial {trial} ({describe(parameters)}) {what}{said}; its log: {log}"


def _failure(
    status: str, errors: list[str], running: RunningExperiment, records: list[TrialRecord]
) -> str | None:
    """Why the search has no result, in one sentence; None if it has one."""
    state = read_state(running.folder)
    if status == "ERROR":
        reason = state.get("error") or "; ".join(errors) or "NNI gives no reason"
        return f"the experiment ended in an error ({reason}); its logs: {running.folder / 'log'}"
    if status != "DONE":
        return f"the experiment was stopped before the search was finished (status {status})"
    last = next((record for record in reversed(records) if record.metrics is None), None)
    failed = failed_sentence(last.id, last.parameters, "FAILED", running.folder) if last else ""
    if state.get("failure"):
        return f"the search failed: {state['failure']}" + (f"; {failed}" if failed else "")
    if not state.get("finished"):
        limit = "maxTrialNumber or maxExperimentDuration was reached before the search was finished"
        return f"{limit}; raise it" + (f" ({failed})" if failed else "")
    return None


__all__ = ["SearchError", "search"]
