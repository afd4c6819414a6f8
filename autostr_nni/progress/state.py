"""The state of a search in a line: how many trials, how long, and the best so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autostr_nni.progress.estimate import DONE, FAILED, RUNNING, Seen, in_words, time_left
from autostr_nni.progress.plan import OPERATORS, TRAIN, Plan
from autostr_nni.summary import TrialRecord, architecture_text, number
from autostr_nni.training.records import METRICS, read_metrics


def state_line(plan: Plan | None, trials: Sequence[Seen], records: Iterable[TrialRecord]) -> str:
    """``3 of 12 trials done, 2 running, about 5 min left, best 41.2 % (path ABABB)``: of word accuracy.

    Args:
        plan: None where it is not known how many trials there will be.
        trials: all that were begun.
        records: those that ended well.
    """
    counts = Counter(trial.status for trial in trials)
    of = f" of {plan.trials}" if plan else ""
    parts = [f"{counts[DONE]}{of} trials done", f"{counts[RUNNING]} running"]
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    if plan:
        left = time_left(plan, trials)
        if left is None or left[1] > 0 or counts[RUNNING]:
            parts.append(in_words(left))
    best = best_so_far(records)
    if best is not None:
        parts.append(f"best {100 * (best.accuracy or 0):.1f} % ({describe(best.parameters)})")
    return ", ".join(parts)


def best_so_far(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The most accurate net that was fully trained; before there is one, the path of the lowest loss, which
    is the one that the search would choose. Steps train differently: their accuracies are not mixed."""
    scored = [record for record in records if record.accuracy is not None and record.step != OPERATORS]
    trained = [record for record in scored if record.step == TRAIN]
    if trained:
        return max(trained, key=lambda record: record.accuracy or 0)
    ranked = [record for record in scored if number(record.metrics, "loss") is not None]
    return min(ranked, key=lambda record: number(record.metrics, "loss") or 0, default=None)


def describe(parameters: Mapping[str, Any]) -> str:
    """A trial in a few words: ``path ABABB``, or the architecture that is trained."""
    text = architecture_text(parameters)
    if text is not None:
        return text
    words = [str(parameters[key]) for key in ("step", "stride_path") if key in parameters]
    return " ".join(words) or ", ".join(f"{key} {value}" for key, value in parameters.items())


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """The figures of a trial's epochs so far; none where it has left none."""
    try:
        return read_metrics(folder)
    except OSError:
        return []


def last_epoch(folder: Path) -> tuple[dict[str, Any], float]:
    """The figures of a trial's last epoch and when they were written (seconds since 1970); empty and 0
    before its first one."""
    try:
        written = (folder / METRICS).stat().st_mtime
        lines = read_metrics(folder)
    except OSError:
        return {}, 0.0
    return (lines[-1], written) if lines else ({}, 0.0)
