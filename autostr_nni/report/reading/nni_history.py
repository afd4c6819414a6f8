"""NNI experiments from disk: the database tells the trials, their folders the metrics. Needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.database import StoredTrial, read_database, trials_of
from autostr_nni.nni.experiment.tuners import strategy_of
from autostr_nni.nni.manager.processes import manager_of
from autostr_nni.nni.manager.rest import EARLY
from autostr_nni.nni.rows import reached_figures
from autostr_nni.nni.state import read_state
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
from autostr_nni.runs.layout import DATABASE, PARAMETERS, RECIPE, RESULT, SUMMARY, trial_folder, trial_folders
from autostr_nni.strategies.registry import recorded
from autostr_nni.system.errors import InputError
from autostr_nni.system.json_text import read_json


def read_experiment(folder: Path) -> SearchHistory:
    """An NNI experiment's folder, of a search that is running, was stopped, failed or is finished."""
    alive = manager_of(folder) is not None
    state = _state(folder)
    profile, stored = _database(folder)
    trials = _trials(folder, stored, alive) if stored else _trials_of_folders(folder, alive)
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
    told = read_json(folder / SUMMARY)
    return {"finished": told.get("status") == "DONE", "failure": told.get("failure")}


def _database(folder: Path) -> tuple[dict[str, Any], list[StoredTrial]]:
    """The experiment's configuration and its trials; nothing where the database cannot be read."""
    if not (folder / DATABASE).is_file():
        return {}, []
    try:
        contents = read_database(folder)
        return contents.params or {}, trials_of(contents)
    except (InputError, ValueError):  # damaged
        return {}, []


def _trials(folder: Path, stored: list[StoredTrial], alive: bool) -> list[TrialHistory]:
    trials = []
    for trial in stored:
        place, metrics = trial_folder(folder, trial.id), trial.metrics
        if trial.status == EARLY and not metrics:
            metrics = reached_figures(trial.parameters, trial.epochs)
        done = bool(metrics) or (place / RESULT).is_file()
        if trial.status in ("WAITING", "RUNNING", "UNKNOWN"):
            status = RUNNING if alive else DONE if done else CUT_OFF
        elif trial.status in ("USER_CANCELED", "SYS_CANCELED") and not done:
            status = CUT_OFF
        else:
            status = DONE if done and trial.status != "FAILED" else FAILED
        more = {"epochs": trial.epochs, "start": trial.start, "end": trial.end}
        trials.append(read_trial(place, trial.id, trial.parameters, status, metrics, **more))
    return trials


def _trials_of_folders(folder: Path, alive: bool) -> list[TrialHistory]:
    """The trials where there is no database: those that left a folder, in the order they began."""
    trials = []
    for place in sorted(trial_folders(folder), key=lambda path: path.stat().st_mtime):
        parameters = read_json(place / PARAMETERS).get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        status = DONE if (place / RESULT).is_file() else RUNNING if alive else CUT_OFF
        trials.append(read_trial(place, place.name, parameters, status))
    return trials


def _recipe(folder: Path, profile: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """The recipe as the tuner kept it, else as its file is now, and where it comes from."""
    kept = folder / RECIPE
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
