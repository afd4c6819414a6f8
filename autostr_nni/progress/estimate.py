"""The time that a search still needs, judged by the trials that it has run."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autostr_nni.progress.plan import Plan

DONE, FAILED, RUNNING = "done", "failed", "running"

#: Seconds per image of a step that has not run yet, relative to those that have: at least and at most. The
#: nets of the steps differ, and an operator search also steps its architecture parameters; on the quickstart
#: and on real words the ratio was 0.6 to 2.3.
UNSEEN = (0.5, 3.0)


@dataclass(frozen=True)
class Seen:
    """One trial as it stands.

    ``key`` is the same for a failed trial and its repetition. ``images`` and ``seconds`` are what it has
    spent up to its last report (a finished one: in all); ``since`` are the seconds after that report, or
    after its start.
    """

    key: str
    step: str
    status: str
    images: float = 0.0
    seconds: float = 0.0
    since: float = 0.0


def time_left(plan: Plan, trials: Sequence[Seen]) -> tuple[float, float] | None:
    """Seconds that the search still needs, at least and at most; None while there is nothing to judge by.

    A trial costs what those of its step have cost; a step of which no epoch has been seen, its planned images
    times the seconds per image of the others, as a range. Both ends are equal once every step was seen.
    """
    ends = [_total(plan, trials, factor) for factor in UNSEEN]
    if ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]


def _total(plan: Plan, trials: Sequence[Seen], factor: float) -> float | None:
    """Seconds to the end, the steps one after the other, if unseen steps take ``factor`` times the seconds
    per image of those that were seen."""
    seconds = 0.0
    for step, count in plan.steps:
        mine = [trial for trial in trials if trial.step == step]
        running = [trial for trial in mine if trial.status == RUNNING]
        waiting = max(0, count - len(running) - _settled(mine))
        if not running and not waiting:
            continue
        cost = trial_cost(plan, step, trials, factor)
        if cost is None:
            return None
        started = [max(0.0, cost * (1 - _done_share(plan, trial, mine)) - trial.since) for trial in running]
        seconds += makespan([*started, *[cost] * waiting], plan.concurrency)
    return seconds


def _settled(trials: Iterable[Seen]) -> int:
    """Trials that are not run any more: done, or failed twice."""
    done = {trial.key for trial in trials if trial.status == DONE}
    failures = Counter(trial.key for trial in trials if trial.status == FAILED)
    return len(done) + sum(failures[key] > 1 for key in failures.keys() - done)


def trial_cost(plan: Plan, step: str, trials: Sequence[Seen], factor: float) -> float | None:
    """Seconds of one whole trial of a step; None where nothing tells."""
    done = [trial.seconds for trial in trials if trial.step == step and trial.status == DONE]
    if done:
        return sum(done) / len(done)
    images = plan.images.get(step)
    if images is None:
        return None
    mine = [trial for trial in trials if trial.step == step and trial.images]
    others = [trial for trial in trials if trial.images]
    for seen, scale in ((mine, 1.0), (others, factor)):
        if seen:
            per_image = sum(trial.seconds for trial in seen) / sum(trial.images for trial in seen)
            return per_image * images * scale
    return None


def _done_share(plan: Plan, trial: Seen, same_step: Iterable[Seen]) -> float:
    """How much of its images a running trial has seen, 0 to 1."""
    done = [other.images for other in same_step if other.status == DONE and other.images]
    images = sum(done) / len(done) if done else plan.images.get(trial.step)
    return min(1.0, trial.images / images) if images else 0.0


def makespan(seconds: Iterable[float], concurrency: int) -> float:
    """When the last of these ends, if in this order each takes the place that is free first."""
    places = [0.0] * max(1, concurrency)
    for duration in seconds:
        heapq.heappush(places, heapq.heappop(places) + duration)
    return max(places)


def in_words(left: tuple[float, float] | None) -> str:
    """``time left ?``, ``under 1 min left``, ``about 5 min left``, ``5 to 9 min left`` or
    ``40 min to 2.1 h left``."""
    if left is None:
        return "time left ?"
    low, high = (_rounded(seconds) for seconds in left)
    if high[0] == "0":
        return "under 1 min left"
    if low == high:
        return f"about {' '.join(high)} left"
    if low[0] == "0":
        return f"up to {' '.join(high)} left"
    return f"{low[0] if low[1] == high[1] else ' '.join(low)} to {' '.join(high)} left"


def _rounded(seconds: float) -> tuple[str, str]:
    """Number and unit."""
    minutes = seconds / 60
    if minutes < 89.5:
        return (f"{minutes:.0f}" if minutes >= 1 else "0"), "min"
    if minutes < 36 * 60:
        return f"{minutes / 60:.1f}", "h"
    return f"{minutes / 60 / 24:.1f}", "days"
