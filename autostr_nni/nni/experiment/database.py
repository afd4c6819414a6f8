"""NNI's database of an experiment, read without a server: what it was told, its trials and their reports."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autostr_nni.nni.trial_side.figures import from_nni
from autostr_nni.runs.figures import Figures
from autostr_nni.runs.layout import DATABASE
from autostr_nni.system.errors import InputError
from autostr_nni.system.json_text import unpacked


@dataclass(frozen=True)
class Contents:
    """What the database holds. ``params`` are the experiment file's keys; None where they are damaged."""

    id: str
    params: dict[str, Any] | None
    seconds: int  # how long the experiment ran
    events: list[tuple[Any, ...]]  # trial, NNI's word, milliseconds since 1970, packed record, number
    reports: list[tuple[Any, ...]]  # trial, NNI's word, packed figures

    def statuses(self) -> dict[str, str]:
        """NNI's last word of every trial."""
        return {event[0]: event[1] for event in self.events if event[0]}


@dataclass
class StoredTrial:
    """A trial as the database has it. ``start`` and ``end`` are seconds since 1970."""

    id: str
    number: int
    status: str
    parameters: dict[str, Any] = field(default_factory=dict)
    epochs: list[Figures] = field(default_factory=list)
    metrics: Figures | None = None
    start: float | None = None
    end: float | None = None


def read_database(folder: Path) -> Contents:
    """The database of an experiment in its folder. Raises InputError where it has none, or cannot be read."""
    with opened(folder, "ro") as base:
        profile = base.execute(
            "SELECT id, params, execDuration FROM ExperimentProfile ORDER BY revision DESC LIMIT 1"
        ).fetchone()
        events = base.execute(
            "SELECT trialJobId, event, timestamp, data, sequenceId FROM TrialJobEvent ORDER BY rowid"
        ).fetchall()
        reports = base.execute("SELECT trialJobId, type, data FROM MetricData ORDER BY rowid").fetchall()
    if profile is None:
        raise InputError(f"{folder}: NNI's database there has no experiment {folder.name}")
    id, told, seconds = profile
    try:
        params = json.loads(told)
        seconds = int(seconds or 0)
    except (ValueError, TypeError, RecursionError):
        params, seconds = None, 0
    return Contents(id, params if is_profile(params) else None, seconds, events, reports)


def trials_of(contents: Contents) -> list[StoredTrial]:
    """The trials in their order. Raises ValueError where a record of one is damaged."""
    trials: dict[str, StoredTrial] = {}
    try:
        for id, event, at, data, number in contents.events:
            if not id:  # what was asked of the experiment from its page, and has begun no trial yet
                continue
            event = "WAITING" if event == "ADD_RESUMED" else event
            trial = trials.setdefault(id, StoredTrial(id, len(trials) if number is None else number, event))
            trial.status, trial.number = event, trial.number if number is None else number
            if data:
                told = unpacked(data).get("parameters")
                trial.parameters = told if isinstance(told, dict) else trial.parameters
            if event == "RUNNING":
                trial.start = trial.start or at / 1000
            elif event != "WAITING":
                trial.end = at / 1000
        for id, kind, data in contents.reports:
            if id in trials and kind == "FINAL":
                trials[id].metrics = from_nni(unpacked(data))
            elif id in trials and kind == "PERIODICAL":
                trials[id].epochs.append(from_nni(unpacked(data)))
        return sorted(trials.values(), key=lambda trial: trial.number)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a damaged record of a trial ({error})") from None


def is_profile(params: Any) -> bool:
    """Whether this is what an experiment was told: its file's keys, with a tuner and its recipe's place."""
    tuner = (params.get("tuner") or {}) if isinstance(params, dict) else None
    arguments = (tuner.get("classArgs") or {}) if isinstance(tuner, dict) else None
    if not isinstance(tuner, dict) or not isinstance(arguments, dict):
        return False
    texts = [tuner.get("className"), tuner.get("codeDirectory"), arguments.get("recipe")]
    return all(isinstance(text, (str, type(None))) for text in [*texts, params.get("experimentName")])


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Replace what the experiment was told, which the manager starts again with."""
    with opened(folder, "rw") as base, base:
        base.execute(
            "UPDATE ExperimentProfile SET params = ?, endTime = NULL WHERE id = ? AND revision = "
            "(SELECT max(revision) FROM ExperimentProfile WHERE id = ?)",
            [json.dumps(params), folder.name, folder.name],
        )


@contextlib.contextmanager
def opened(folder: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """The database, to be read (``ro``) or written (``rw``). Raises InputError where it cannot be used."""
    path = folder / DATABASE
    if mode == "ro" and path.with_name(f"{path.name}-journal").exists():
        # A manager was killed within a change, or makes one: only who may write can take half a change back.
        with contextlib.suppress(InputError, sqlite3.Error), opened(folder, "rw") as base:
            base.execute("SELECT 1 FROM sqlite_master").fetchone()
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=5)
        ) as base:
            yield base
    except sqlite3.Error as error:
        raise InputError(f"{path}: NNI's database cannot be used ({error})") from None
