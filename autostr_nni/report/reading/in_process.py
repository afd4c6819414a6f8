"""Searches of the in-process runner, and folders of `autostr train`, from disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.recipe.words.targets import target_of
from autostr_nni.report.reading.history import (
    CUT_OFF,
    DONE,
    FAILED,
    RUNNING,
    SearchHistory,
    checked_recipe,
    read_trial,
    space_of,
    usable_recipe,
)
from autostr_nni.runs.figures import figures
from autostr_nni.runs.layout import LOCK, METRICS, PARAMETERS, RECIPE, RECORD, STATE, SUMMARY, trial_folder
from autostr_nni.runs.records import read_result
from autostr_nni.runs.search_folder import find_state
from autostr_nni.strategies.core import saved_trials
from autostr_nni.strategies.registry import recorded as facts_of
from autostr_nni.strategies.trials import RETRY
from autostr_nni.system.errors import InputError
from autostr_nni.system.json_text import read_json
from autostr_nni.system.locks import is_held


def read_in_process(folder: Path) -> SearchHistory:
    """A search of the in-process runner. Raises InputError where its state cannot be read."""
    content, _ = find_state(folder)
    if content is None:
        raise InputError(f"{folder / STATE}: cannot be read as a search's state")
    state = content["state"]
    recorded = saved_trials(state)
    recipe = usable_recipe(folder / RECIPE)
    summary = read_json(folder / SUMMARY)
    running = is_held(folder / LOCK)
    trials = []
    for entry in recorded:
        place = trial_folder(folder, entry.id)
        status: str = entry.status
        if status not in (DONE, FAILED):
            if not place.is_dir():
                continue  # proposed, not begun
            status = RUNNING if running else CUT_OFF
        metrics = figures(entry.metrics) if entry.metrics else None
        trials.append(read_trial(place, entry.id, entry.parameters, status, metrics, reason=entry.reason))
    failure = str(summary["failure"]) if summary.get("failure") else None
    verdict = summary.get("verdict")
    if isinstance(verdict, Mapping) and failure == verdict.get("best"):
        failure = None  # it went to its end; the report judges for itself
    word = "running" if running else "stopped" if not summary else "failed" if failure else "finished"
    strategy = str(state.get("strategy", "unknown"))
    return SearchHistory(
        id=folder.name,
        name="/".join(folder.parts[-2:]) if target_of(recipe) else folder.name,
        kind="in-process search",
        strategy=strategy,
        folder=folder,
        state=word,
        trials=trials,
        planned=planned_trials(strategy, recipe, sum(not entry.id.endswith(RETRY) for entry in recorded)),
        failure=failure,
        recipe=recipe,
        recipe_source=str(folder / RECIPE) if recipe else None,
        space=space_of(trials, recipe),
        facts=facts_of(strategy, read_json(folder / RECORD)),
    )


def planned_trials(strategy: str, recipe: Mapping[str, Any] | None, known: int) -> int:
    """How many trials the strategy has over the recipe; at least those that are known."""
    from autostr_nni.strategies import build
    from autostr_nni.strategies import known as names

    loaded = checked_recipe(recipe)
    if loaded is None or strategy not in names():
        return known
    try:
        return max(build(strategy, loaded).planned, known)
    except InputError:
        return known


def read_training(folder: Path) -> SearchHistory:
    """The folder of ``autostr train``, or of one trial, as a search of a single net."""
    result = read_result(folder)
    parameters = result.get("parameters") or read_json(folder / PARAMETERS).get("parameters")
    parameters = parameters if isinstance(parameters, Mapping) else {}
    trial = read_trial(folder, folder.name, parameters, DONE if result else CUT_OFF)
    recipe = usable_recipe(folder / RECIPE)
    failure = None
    if not result:
        last = max((path.stat().st_mtime for path in folder.glob(METRICS)), default=None)
        ago = "no epoch is done" if last is None else f"its last epoch ended {_ago(time.time() - last)} ago"
        failure = f"it is still running or was stopped; {ago}"
    return SearchHistory(
        id=folder.name,
        name=folder.name,
        kind="training",
        strategy="single net",
        folder=folder,
        state="finished" if result else "unfinished",
        trials=[trial],
        planned=1,
        failure=failure,
        recipe=recipe,
        recipe_source=str(folder / RECIPE) if recipe else None,
        space=space_of([trial], recipe),
    )


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
