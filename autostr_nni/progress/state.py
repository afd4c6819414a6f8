"""The state of a search in a line: how many trials, how long, and the best so far."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autostr_nni.progress.estimate import DONE, FAILED, RUNNING, Seen, in_words, time_left
from autostr_nni.progress.plan import Plan
from autostr_nni.runs.doing import doing_in
from autostr_nni.runs.figures import Figures, number
from autostr_nni.runs.layout import CLIMBED, METRICS, PULSE
from autostr_nni.runs.records import read_metrics
from autostr_nni.runs.trial_record import TrialRecord, architecture_text, height
from autostr_nni.strategies.steps import FINDING, PATH, SEARCHING, TRAIN
from autostr_nni.strategies.trials import merit
from autostr_nni.system.json_text import read_json, read_lines


def state_line(
    plan: Plan | None, trials: Sequence[Seen], records: Iterable[TrialRecord], finished: bool = False
) -> str:
    """``3 of 12 trials done, 2 running (path, epoch 2 of 3, 1,240 images/s), about 5 min left, best 41.2 %
    (path ABABB)``: of what nets are chosen by.

    Args:
        plan: None where it is not known how many trials there will be.
        trials: all that were begun.
        records: those that ended well.
        finished: the search knows that nothing more will come, whatever was planned.
    """
    counts = Counter(trial.status for trial in trials)
    of = f" of {plan.trials}" if plan else ""
    running = [trial for trial in trials if trial.status == RUNNING]
    left = time_left(plan, trials) if plan else None
    begun = len({trial.key for trial in trials})
    over = left is not None and left.seconds <= 0
    if plan and plan.rungs:  # which of them trials would be on was an estimate
        over = begun >= plan.trials
    ended = finished or (over and not running)
    if plan and finished:
        of = f" of {begun}"
    elif plan and plan.rungs:  # what results lead to is not known before the end
        of = f" of about {max(plan.trials, begun)}"
    parts = [f"{counts[DONE]}{of} trials done", f"{len(running)} running{under_way(plan, running)}"]
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    if plan and not ended:
        parts.append(in_words(left))
    best = best_so_far(records)
    if best is not None:
        parts.append(f"best {100 * (best.figure or 0):.1f} % ({describe(best.parameters)})")
    return ", ".join(parts)


def under_way(plan: Plan | None, running: Sequence[Seen]) -> str:
    """Step, epoch and speed of what runs, and what keeps it from its first step, in brackets."""
    told = [(trial, plan.work[trial.step]) for trial in running if plan and trial.step in plan.work]
    busy = Counter(trial.doing for trial in running if trial.doing)
    doing = [f"{count} {what}" if len(running) > 1 else what for what, count in sorted(busy.items())]
    if not told:
        return f" ({', '.join(doing)})" if doing else ""
    steps = sorted({trial.step for trial, _ in told})
    begun = [
        min(work.epochs, work.before + int(trial.behind / work.epoch_images + 1e-6) + 1)
        for trial, work in told
    ]
    parts = [" and ".join(steps), f"epoch {_span(begun)} of {_span([work.epochs for _, work in told])}"]
    speed = sum(trial.images / trial.seconds for trial in running if trial.images and trial.seconds)
    if speed:
        parts.append(f"{speed:,.0f} images/s" if speed >= 10 else f"{speed:.1f} images/s")
    return f" ({', '.join([*parts, *doing])})"


def _span(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def best_so_far(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The best net that was fully trained; before there is one, the net, or else the path, of the lowest
    loss among those that were trained longest, which is the one that the search would choose. Steps train
    differently: their accuracies are not mixed."""
    scored = [record for record in records if record.figure is not None and record.step not in SEARCHING]
    trained = [record for record in scored if record.step == TRAIN]
    if trained:
        return max(trained, key=lambda record: merit(record.metrics))
    ranked = [record for record in scored if number(record.metrics, "loss") is not None]

    def place(record: TrialRecord) -> tuple[bool, int, float]:
        return record.step == PATH, -height(record), number(record.metrics, "loss") or 0.0

    return min(ranked, key=place, default=None)


def describe(parameters: Mapping[str, Any]) -> str:
    """A trial in a few words: ``path ABABB``, or the architecture that is trained."""
    text = architecture_text(parameters)
    if text is not None:
        return text
    words = [str(parameters[key]) for key in ("step", "stride_path") if key in parameters]
    return " ".join(words) or ", ".join(f"{key} {value}" for key, value in parameters.items())


def epochs_of(folder: Path) -> list[Figures]:
    """The figures of a trial's epochs so far; none where it has left none."""
    try:
        return read_metrics(folder)
    except OSError:
        return []


def found_so_far(folder: Path) -> float | None:
    """Million MACs of the net that an operator search would find as it stands; None before an epoch."""
    return next((number(line, "macs_m") for line in epochs_of(folder)[-1:]), None)


def seen_in(
    folder: Path,
    plan: Plan | None,
    key: str,
    parameters: Mapping[str, Any],
    status: str,
    now: float,
    began: float | None,
    ended: float | None = None,
) -> Seen:
    """A trial as the files in its folder tell it. Times are seconds since 1970, None where not known:
    ``began`` is its last start, where its own figures count from the first one."""
    images, seconds, written = last_sign(folder)
    since = 0.0
    if status == RUNNING:
        since = max(0.0, now - max(began, written)) if began else 0.0
    elif began and ended:  # with what the trial did before and after its epochs
        seconds = max(seconds, ended - began)
    step = plan.step_of(parameters) if plan else str(parameters.get("step", ""))
    macs = plan.macs_of(parameters) if plan else None
    found = found_so_far(folder) if parameters.get("step") in FINDING else None
    doing = doing_in(folder) if status == RUNNING else ""
    work = plan.work.get(step) if plan else None
    below = work.before * work.epoch_images if work else 0.0  # of a promoted net's own rungs
    inherited = max(0.0, _climbed(folder)[0] - below) if work else 0.0
    return Seen(key, step, status, images, seconds, since, macs, found, doing, inherited)


def last_sign(folder: Path) -> tuple[float, float, float]:
    """Images that a trial has seen, seconds that it has spent, and when it told so (since 1970), which it
    does within epochs and at their end; zeros before its first word. A promoted net's are its own, without
    those of the rungs below."""
    told = [(0.0, 0.0, 0.0)]
    climbed = _climbed(folder)
    for path in (folder / METRICS, folder / PULSE):
        for line in read_lines(path)[-1:]:
            figures = [number(line, key) or 0.0 for key in ("images_seen", "seconds")]
            images, seconds = (max(0.0, a - b) for a, b in zip(figures, climbed, strict=True))
            with contextlib.suppress(OSError):
                told.append((images, seconds, path.stat().st_mtime))
    return max(told)


def _climbed(folder: Path) -> list[float]:
    """Images and seconds of the trials that this one goes on from."""
    before = read_json(folder / CLIMBED)
    return [number(before, key) or 0.0 for key in ("images_seen", "seconds")]
