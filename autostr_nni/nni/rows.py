"""What NNI's list of trials tells, a row per trial, and what those trials left in their folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autostr_nni.nni.manager.rest import EARLY, record_in
from autostr_nni.nni.trial_side.figures import from_nni
from autostr_nni.progress.state import describe, epochs_of
from autostr_nni.runs.figures import Figures, figures
from autostr_nni.runs.layout import STDERR, trial_folder
from autostr_nni.runs.trial_record import TrialRecord, read_trial
from autostr_nni.strategies.core import reached
from autostr_nni.system.json_text import unpacked


def record_of(row: Mapping[str, Any], folder: Path) -> TrialRecord:
    """A trial as NNI lists it, with what it left in its folder."""
    place = trial_folder(folder, row["trialJobId"])
    metrics, left = metrics_that_count(row, folder), read_trial(place, {})
    if metrics is not None:
        metrics = {**metrics, **(left.metrics or {})}  # NNI is told but a few of the figures
    return TrialRecord(row["trialJobId"], parameters_of(row), metrics, place, left.result)


def parameters_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in one row of NNI's list; empty before the manager has written them down."""
    return dict((record_in(row) or {}).get("parameters") or {})


def final_metrics(row: Mapping[str, Any]) -> Figures | None:
    """The final report in one row of NNI's list; NNI packs it as JSON within JSON.

    A trial that an assessor stopped a moment after its last report has one too.
    """
    reports = row.get("finalMetricData") or []
    if not reports or row["status"] not in ("SUCCEEDED", EARLY):
        return None
    return from_nni(unpacked(reports[0]["data"]))


def metrics_that_count(row: Mapping[str, Any], folder: Path) -> Figures | None:
    """The final report, or what a trial had reached that was stopped early; None for a trial that failed."""
    metrics = final_metrics(row)
    if metrics is None and row["status"] == EARLY:
        metrics = reached_figures(parameters_of(row), epochs_of(trial_folder(folder, row["trialJobId"])))
    return metrics


def reached_figures(parameters: Mapping[str, Any], epochs: Sequence[Figures]) -> Figures | None:
    """What a trial that was stopped early counts with, as of `strategies.core.reached`."""
    told = reached(parameters, epochs)
    return None if told is None else figures(told)


def stopped_sentence(trial: str, parameters: Mapping[str, Any], metrics: Figures) -> str:
    """Which trial was stopped early, and that it counts."""
    after = f" after epoch {metrics['epoch'] + 1}" if isinstance(metrics.get("epoch"), int) else ""
    counts = f"it counts with what it had reached{after}"
    return f"trial {trial} ({describe(parameters)}) was stopped early; {counts}"


def failed_sentence(trial: str, parameters: Mapping[str, Any], status: str, folder: Path) -> str:
    """Which trial failed, its last words, and where its log is."""
    log = trial_folder(folder, trial) / STDERR
    words = last_words(log)
    said = f": {words}" if words else ""
    what = (
        "was stopped early, by maxTrialDuration or an assessor"
        if status == EARLY
        else "was cancelled"
        if "CANCELED" in status
        else "gave no result"
        if status == "SUCCEEDED"
        else "failed"
    )
    return f"trial {trial} ({describe(parameters)}) {what}{said}; its log: {log}"


def last_words(log: Path) -> str:
    """The last line of a log that says something; empty where there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
