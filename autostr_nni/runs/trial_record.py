"""One trial that has ended, as its folder tells it. Light: reads JSON files only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from autostr_nni.recipe.words.metric import WORD_ACCURACY, metric_of
from autostr_nni.runs.figures import Figures, TrialResult, figures, number
from autostr_nni.runs.layout import NNI_STATE, PARAMETERS, WORD_LOSSES, trial_folders
from autostr_nni.runs.records import read_result
from autostr_nni.runs.verdict import WordLosses, word_losses
from autostr_nni.strategies.steps import TRAIN
from autostr_nni.system.json_text import read_json


@dataclass(frozen=True)
class TrialRecord:
    """One trial that has ended. ``metrics`` is its final report, or None if it failed."""

    id: str
    parameters: Mapping[str, Any]
    metrics: Figures | None
    folder: Path | None = None
    result: TrialResult = field(default_factory=TrialResult)

    @property
    def step(self) -> str:
        return str(self.parameters.get("step", TRAIN))

    @property
    def figure(self) -> float | None:
        """What nets are chosen by."""
        return number(self.metrics, "default")

    @property
    def word_accuracy(self) -> float | None:
        return word_accuracy(self.metrics)


def word_accuracy(metrics: Mapping[str, Any] | None) -> float | None:
    """That of a trial's metrics, whatever figure chooses."""
    return number(metrics, "default" if metric_of(metrics) is WORD_ACCURACY else "word_accuracy")


def read_trial(folder: Path, parameters: Mapping[str, Any] | None = None) -> TrialRecord:
    """The record of a trial from what it left in its folder."""
    result = read_result(folder)
    if parameters is None:
        stored = read_json(folder / PARAMETERS) or result
        parameters = stored.get("parameters") or {
            key: value for key, value in stored.items() if key != "metrics"
        }
    return TrialRecord(
        folder.name, parameters, figures(result.get("metrics", result)) or None, folder, result
    )


def read_search(folder: Path) -> list[TrialRecord]:
    """Every trial that a search left on disk.

    One that was stopped early has left no result: it counts with what it had reached, as the search through
    NNI has it in its state. One that was killed, and repeated under another name, has none at all.
    """
    folders = trial_folders(folder)
    trials = [read_trial(path) for path in folders]
    state = read_json(folder / NNI_STATE).get("state")
    told = state.get("trials") if isinstance(state, Mapping) else None
    for one in told or ():
        if not isinstance(one, Mapping) or one.get("status") != "done":
            continue
        places = [place for place, trial in enumerate(trials) if _of(one, trial)]
        if places and all(trials[place].metrics is None for place in places):
            last = max(places, key=lambda place: folders[place].stat().st_mtime)
            trials[last] = replace(trials[last], metrics=figures(one.get("metrics") or {}) or None)
    return trials


def _of(told: Mapping[str, Any], trial: TrialRecord) -> bool:
    parameters = told.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        return False
    return all(trial.parameters.get(key) == value for key, value in parameters.items())


def architecture_text(parameters: Mapping[str, Any]) -> str | None:
    """``ABABB:k5e6,…`` from a trial's flat parameters; None where the operations are not given."""
    keys = [key for key in parameters if key.startswith("op_") and key[3:].isdecimal()]
    operations = [str(parameters[key]) for key in sorted(keys, key=lambda key: int(key[3:]))]
    if not operations or "stride_path" not in parameters:
        return None
    return f"{parameters['stride_path']}:{','.join(operations)}"


class Climbing(Protocol):
    """What is asked of a trial that may climb."""

    @property
    def parameters(self) -> Mapping[str, Any]: ...


def height(trial: Climbing) -> int:
    """The epochs up to which a trial that climbs was trained; 0 for all that do not."""
    epochs = trial.parameters.get("epochs")
    return epochs if type(epochs) is int else 0


def losses_of(folder: Path | None) -> WordLosses | None:
    """The loss of every validation word of a path's trial, where it kept them."""
    return None if folder is None else word_losses(read_json(folder / WORD_LOSSES))
