"""NNI experiments from disk: the database tells the trials, their folders the metrics. Needs no server."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autostr_nni.nni.experiment.stored import DATABASE, is_profile
from autostr_nni.nni.experiment.tuners import strategy_of
from autostr_nni.nni.manager.processes import manager_of
from autostr_nni.nni.manager.rest import EARLY
from autostr_nni.nni.state import RECIPE_FILE, read_state
from autostr_nni.nni.trial_side.figures import from_nni
from autostr_nni.recipe import load_recipe
from autostr_nni.report.reading.history import (
    CUT_OFF,
    DONE,
    FAILED,
    RUNNING,
    SearchHistory,
    TrialHistory,
    read_trial,
    space_of,
    usable_recipe,
)
from autostr_nni.runs.summary import RESULT, read_json, trial_folders
from autostr_nni.strategies.core import reached
from autostr_nni.strategies.registry import recorded
from autostr_nni.system.errors import InputError


def read_experiment(folder: Path) -> SearchHistory:
    """An NNI experiment's folder, of a search that is running, was stopped, failed or is finished."""
    alive = manager_of(folder) is not None
    state = _state(folder)
    profile, rows = _database(folder / DATABASE)
    trials = _trials(folder, rows, alive) if rows else _trials_of_folders(folder, alive)
    recipe, source = _recipe(folder, profile)
    about = profile.get("tuner") or {}
    tuner = str(about.get("className") or about.get("name") or "unknown").rpartition(".")[2]
    record = state.get("record")
    strategy = str(state.get("strategy") or strategy_of(about) or tuner)
    failure = state.get("failure") or state.get("error")
    if failure:
        word = "failed"
    elif state.get("finished"):
        word = "finished"
    else:
        word = "running" if alive else "stopped"
    return SearchHistory(
        id=folder.name,
        name=str(profile.get("experimentName") or folder.name),
        kind="NNI experiment",
        strategy=strategy,
        folder=folder,
        state=word,
        trials=trials,
        planned=next(
            (n for n in (state.get("planned"), profile.get("maxTrialNumber")) if type(n) is int), None
        ),
        failure=str(failure) if failure else None,
        recipe=recipe,
        recipe_source=source,
        space=space_of(trials, recipe),
        facts=recorded(strategy, record if isinstance(record, dict) else {}),
    )


def _state(folder: Path) -> dict[str, Any]:
    try:
        state = read_state(folder)
    except ValueError:
        return {}
    if state:
        return state
    # Another's tuner leaves none: how the search ended is what was told of it.
    told = read_json(folder / "summary.json")
    return {"finished": told.get("status") == "DONE", "failure": told.get("failure")}


def _database(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The experiment's configuration and one row per trial; nothing where the database cannot be read."""
    if not path.is_file():
        return {}, []
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5)
        ) as base:
            last = base.execute(
                "SELECT params FROM ExperimentProfile ORDER BY revision DESC LIMIT 1"
            ).fetchone()
            events = base.execute(
                "SELECT trialJobId, event, timestamp, data, sequenceId FROM TrialJobEvent ORDER BY timestamp"
            ).fetchall()
            reports = base.execute(
                "SELECT trialJobId, type, data FROM MetricData ORDER BY timestamp"
            ).fetchall()
        profile = json.loads(last[0]) if last else {}
        return (profile if is_profile(profile) else {}), _rows(events, reports)
    except (sqlite3.Error, ValueError, TypeError, AttributeError, RecursionError):  # damaged
        return {}, []


def _rows(events: list[Any], reports: list[Any]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for trial, event, at, data, sequence in events:
        row = rows.setdefault(
            trial, {"id": trial, "parameters": {}, "epochs": [], "metrics": None, "start": None, "end": None}
        )
        row["status"], row["sequence"] = event, sequence
        if data:
            told = json.loads(data).get("parameters")
            row["parameters"] = told if isinstance(told, dict) else row["parameters"]
        if event == "RUNNING":
            row["start"] = row["start"] or at / 1000
        elif event != "WAITING":
            row["end"] = at / 1000
    for trial, kind, data in reports:
        value = _unpacked(data)
        if trial in rows and kind == "FINAL":
            rows[trial]["metrics"] = value
        elif trial in rows and kind == "PERIODICAL":
            rows[trial]["epochs"].append(value)
    return sorted(rows.values(), key=lambda row: row["sequence"])


def _unpacked(data: Any) -> dict[str, Any]:
    """A report: NNI packs it as JSON within JSON."""
    while isinstance(data, str):
        data = json.loads(data)
    return from_nni(data)


def _trials(folder: Path, rows: list[dict[str, Any]], alive: bool) -> list[TrialHistory]:
    trials = []
    for row in rows:
        place = next(folder.glob(f"environments/*/trials/{row['id']}"), folder / "trials" / row["id"])
        if row["status"] == EARLY and not row["metrics"]:
            row["metrics"] = reached(row["parameters"], row["epochs"])
        done = bool(row["metrics"]) or (place / RESULT).is_file()
        if row["status"] in ("WAITING", "RUNNING", "UNKNOWN"):
            status = RUNNING if alive else DONE if done else CUT_OFF
        elif row["status"] in ("USER_CANCELED", "SYS_CANCELED") and not done:
            status = CUT_OFF
        else:
            status = DONE if done and row["status"] != "FAILED" else FAILED
        keys = ("epochs", "start", "end")
        more = {key: row[key] for key in keys}
        trials.append(read_trial(place, row["id"], row["parameters"], status, row["metrics"], **more))
    return trials


def _trials_of_folders(folder: Path, alive: bool) -> list[TrialHistory]:
    """The trials where there is no database: those that left a folder, in the order they began."""
    trials = []
    for place in sorted(trial_folders(folder), key=lambda path: path.stat().st_mtime):
        parameters = read_json(place / "parameters.json").get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        status = DONE if (place / RESULT).is_file() else RUNNING if alive else CUT_OFF
        trials.append(read_trial(place, place.name, parameters, status))
    return trials


def _recipe(folder: Path, profile: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """The recipe as the tuner kept it, else as its file is now, and where it comes from."""
    kept = folder / RECIPE_FILE
    content = usable_recipe(kept)
    if content:
        return content, str(kept)
    named = ((profile.get("tuner") or {}).get("classArgs") or {}).get("recipe")
    if not named:
        return None, None
    path = Path(named)
    if not path.is_absolute():
        path = Path((profile.get("tuner") or {}).get("codeDirectory") or ".") / path
    try:
        loaded = load_recipe(path, run_extensions=False)
    except (InputError, OSError):
        return None, None
    return loaded.model_dump(mode="json"), f"{path} as it is now; the search may have used an earlier one"
