"""What NNI's list of trials tells, a row per trial, and what those trials left in their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.nni.manager.rest import EARLY
from autostr_nni.nni.trial_side.figures import from_nni
from autostr_nni.progress.state import describe, epochs_of
from autostr_nni.runs.summary import TrialRecord, read_trial
from autostr_nni.strategies.core import reached


def record_of(row: Mapping[str, Any], folder: Path) -> TrialRecord:
    """A trial as NNI lists it, with what it left in its folder."""
    place = trial_folder(folder, row["trialJobId"])
    metrics, left = metrics_that_count(row, folder), read_trial(place, {})
    if metrics is not None:
        metrics = {**metrics, **(left.metrics or {})}  # NNI is told but a few of the figures
    return TrialRecord(row["trialJobId"], parameters_of(row), metrics, place, left.result)


def trial_folder(folder: Path, trial: str) -> Path:
    """Where a trial of an experiment keeps its files, on this machine."""
    return next(folder.glob(f"environments/*/trials/{trial}"), folder / "trials" / trial)


def parameters_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in one row of NNI's list."""
    packed = row.get("hyperParameters") or ["{}"]
    return dict(json.loads(packed[0]).get("parameters") or {})


def final_metrics(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The final report in one row of NNI's list; NNI packs it as JSON within JSON.

    A trial that an assessor stopped a moment after its last report has one too.
    """
    reports = row.get("finalMetricData") or []
    if not reports or row["status"] not in ("SUCCEEDED", EARLY):
        return None
    value = reports[0]["data"]
    while isinstance(value, str):
        value = json.loads(value)
    return from_nni(value)


def metrics_that_count(row: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """The final report, or what a trial had reached that was stopped early; None for a trial that failed."""
    metrics = final_metrics(row)
    if metrics is None and row["status"] == EARLY:
        metrics = reached(parameters_of(row), epochs_of(trial_folder(folder, row["trialJobId"])))
    return metrics


def stopped_sentence(trial: str, parameters: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Which trial was stopped early, and that it counts."""
    after = f" after epoch {metrics['epoch'] + 1}" if isinstance(metrics.get("epoch"), int) else ""
    counts = f"it counts with what it had reached{after}"
    return f"trial {trial} ({describe(parameters)}) was stopped early; {counts}"


def failed_sentence(trial: str, parameters: Mapping[str, Any], status: str, folder: Path) -> str:
    """Which trial failed, its last words, and where its log is."""
    log = trial_folder(folder, trial) / "trial.stderr"
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
