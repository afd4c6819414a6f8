"""The trials of a search, and what can be said of them without knowing what is searched."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from autostr_nni.system.errors import InputError

from .steps import PATH, RUNG, SEARCHING

Parameters = dict[str, Any]  # flat: text and numbers
Metrics = dict[str, Any]
Status = Literal["waiting", "running", "done", "failed"]

RETRY = "-retry"


@dataclass(frozen=True)
class Proposal:
    """A trial to be run. `id` is unique in a search, and fit for a folder's name."""

    id: str
    parameters: Parameters


@dataclass(frozen=True)
class Trial:
    """One proposal and what became of it. `reason` says why it failed."""

    id: str
    parameters: Parameters
    status: Status = "waiting"
    metrics: Metrics | None = None
    reason: str | None = None

    @property
    def proposal(self) -> Proposal:
        """What is handed out to be run."""
        return Proposal(self.id, dict(self.parameters))

    @property
    def settled(self) -> bool:
        """It was observed."""
        return self.status in ("done", "failed")


def saved_trials(state: Mapping[str, Any]) -> list[Trial]:
    """The trials of a saved state. Raises InputError where one of them is damaged."""
    trials = state.get("trials")
    found: list[Trial] = []
    for item in trials if isinstance(trials, list) else [None]:
        try:
            trial = Trial(**item) if isinstance(item, dict) else None
        except TypeError:
            trial = None
        whole = (
            trial is not None
            and isinstance(trial.id, str)
            and re.fullmatch(r"[\w.-]{1,200}", trial.id) is not None  # it names a folder
            and trial.id.strip(".") != ""
            and isinstance(trial.parameters, dict)
            and isinstance(trial.parameters.get("step"), str)
            and trial.status in get_args(Status)
            and isinstance(trial.metrics, (dict, type(None)))
            and (trial.metrics is not None or trial.status != "done")
            and isinstance(trial.reason, (str, type(None)))
            and all(trial.id != other.id for other in found)
        )
        if trial is None or not whole:
            raise InputError(
                f"trial {len(found) + 1} of the saved search state is damaged; start in a new folder"
            )
        found.append(trial)
    return found


def succeeded(trials: list[Trial]) -> list[Trial]:
    """Those that ended well."""
    return [trial for trial in trials if trial.status == "done"]


def reached(parameters: Mapping[str, Any], reports: Sequence[Mapping[str, Any]]) -> Metrics | None:
    """What a trial that was stopped before its end counts with: of its reports, one for each epoch, the one
    that would have been its result. None before the first, and for half a supernet, ranking or
    operator search."""
    step = parameters.get("step")
    if not reports or step in SEARCHING:
        return None
    scored = [r for r in reports if all(finite(r.get(key, 0.0)) for key in ("default", "loss"))]
    scored = [report for report in scored if "default" in report]
    if step in (PATH, RUNG) or not scored:
        return dict(reports[-1])
    best: Mapping[str, Any] = max(scored, key=merit)
    return dict(best)


def merit(metrics: Mapping[str, Any] | None) -> tuple[float, float]:
    """How good a net is, the larger the better: the one rule by which epochs, nets and searches are chosen.

    The recipe's figure (``default``, see `evaluation.metric`) comes first, then a lower loss. What is not
    told, or no finite number, is the worst. Of equals the first one is taken everywhere.
    """
    told: Mapping[str, Any] = metrics or {}
    figure, loss = (float(told[key]) if finite(told.get(key)) else None for key in ("default", "loss"))
    return (-math.inf if figure is None else figure, -math.inf if loss is None else -loss)


def learnt_nothing(accuracy: float | None, blind: float | None, above: float) -> bool:
    """Whether a validation word accuracy shows nothing: up to ``above``, or to ``blind``, which a net reaches
    that always answers the commonest word. With 0 any net counts."""
    return accuracy is not None and above > 0 and accuracy <= max(above, blind or 0.0)


def has_learnt(metrics: Mapping[str, Any], above: float) -> bool:
    """Whether a net reads more of the validation words than shows nothing, by its final metrics."""
    accuracy = metrics.get("word_accuracy", metrics.get("default"))  # the first, where another figure chooses
    blind = metrics.get("blind")
    return not learnt_nothing(accuracy if finite(accuracy) else None, blind if finite(blind) else None, above)


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """The best of those that ended well, by `merit`."""
    return max(
        (trial for trial in trials if trial.status == "done"),
        key=lambda trial: merit(trial.metrics),
        default=None,
    )


def reasons(trials: list[Trial], shown: int = 3) -> str:
    """Why trials failed, for a sentence."""
    failed = [f"{t.id}: {t.reason}" for t in trials if t.status == "failed"]
    rest = len(failed) - shown
    return "; ".join(failed[:shown]) + (f"; and {rest} more" if rest > 0 else "")


def finite(value: Any) -> bool:
    """Whether this is a number that metrics may be compared by."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def plain(value: Any) -> Any:
    """`value` without NaN and infinities, which strict JSON readers refuse."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
