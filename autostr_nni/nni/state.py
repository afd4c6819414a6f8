"""What the tuner keeps in the experiment's folder, for a resumed search and for ``autostr search``."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from autostr_nni.runs.layout import NNI_STATE, NO_SPACE, RECIPE, trial_folders
from autostr_nni.strategies.core import saved_trials
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.strategies.registry import record
from autostr_nni.system import files
from autostr_nni.system.files import write_atomic

logger = logging.getLogger("autostr_nni.tuner")


def experiment_folder() -> Path | None:
    """The folder of the experiment whose tuner this process is; None outside NNI's dispatcher."""
    log = os.environ.get("NNI_LOG_DIRECTORY")
    return Path(log).parent if log and os.environ.get("SDK_PROCESS") == "dispatcher" else None


def whole_state(strategy: Strategy, error: str | None) -> dict[str, Any]:
    """A strategy as it stands, with what ended it by mistake."""
    return {
        "strategy": strategy.name,
        "record": record(strategy),
        "planned": strategy.planned,
        "finished": strategy.finished,
        "failure": strategy.failure,
        "error": error,
        "state": strategy.state_dict(),
    }


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the state in one step, and keep the one before: no restart ever sees half of it.

    Raises NoSpace where the disk is full.
    """
    files.write_state(folder / NNI_STATE, json.dumps(state, indent=1), _checked)


def keep_recipe(folder: Path, recipe: dict[str, Any]) -> None:
    """Keep the recipe as it was understood: reports compare what searches were told."""
    write_atomic(folder / RECIPE, json.dumps(recipe, indent=1))


def read_state(folder: Path) -> dict[str, Any]:
    """The state that a tuner left in an experiment's folder; empty if there is none that can be read."""
    state, complaint = find_state(folder)
    if complaint:
        logger.warning(complaint)
    return state


def find_state(folder: Path) -> tuple[dict[str, Any], str | None]:
    """The state, and a sentence where it is not the file itself that could be read.

    A damaged state is replaced by the one before it. What lacks comes back from NNI's database: results of
    trials are imported on resuming.
    """
    state, complaint = files.find_state(
        folder / NNI_STATE,
        _checked,
        "the state before it and NNI's record of the trials are used",
        "the search is put together from NNI's record of the trials",
    )
    return state or {}, complaint


def _checked(content: Any) -> dict[str, Any]:
    """The content of a state file; raises where it is none."""
    saved_trials(content["state"])
    return dict(content)


def note_no_space(trial: Path, sentence: str) -> None:
    """Leave word in a trial's folder that it ended for want of space: repeating it would be of no use."""
    (trial / NO_SPACE).write_text(sentence + "\n", encoding="utf-8")


def told_no_space(folder: Path, since: float) -> str | None:
    """What a trial of the experiment in ``folder`` said of missing space since a moment (Unix seconds)."""
    for note in (trial / NO_SPACE for trial in trial_folders(folder)):
        try:
            if note.stat().st_mtime >= since:
                return note.read_text(encoding="utf-8").strip()
        except OSError:
            continue
    return None
