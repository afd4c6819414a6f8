"""The time that a search still needs: images left, at the speed so far and by the nets' MACs."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from autostr_nni.progress.plan import Plan, Work
from autostr_nni.strategies.steps import TRAIN

DONE, FAILED, RUNNING = "done", "failed", "running"

#: The seconds of an image grow with this power of the net's MACs: the rest of the recognizer costs the same
#: for all, and small layers are overhead. Measured were 2.4, 5.2 and 8.4 ms for nets of 1.3, 4.2 and 19 M
#: MACs, and 0.8, 1.1 and 1.3 ms for 0.9, 1.4 and 3.9 M on the quickstart.
POWER = 0.4
#: Seconds of an image where a trial runs alone, in those where it has others of its search beside it;
#: measured were 0.6 to 0.9, on two cores.
ALONE = 0.75
LATE = 1.5  # times what was expected since a trial's last sign, and
LATE_SECONDS = 15.0  # more than that: it takes longer than expected


@dataclass(frozen=True)
class Seen:
    """One trial as it stands.

    ``key`` is the same for a failed trial and its repetition; ``step`` is as of `Plan.step_of`. ``images``
    and ``seconds`` are what it has spent itself up to its last sign (a finished one: in all); ``since`` are
    the seconds after that sign, or after its start. ``inherited`` are the images of the same step that a
    trial which it repeats had done. ``macs_m`` are million MACs of its net's backbone for an
    image; ``found_m`` those of the net that an operator search would find as it stands. ``doing`` is what it
    is busy with before its first step.
    """

    key: str
    step: str
    status: str
    images: float = 0.0
    seconds: float = 0.0
    since: float = 0.0
    macs_m: float | None = None
    found_m: float | None = None
    doing: str = ""
    inherited: float = 0.0

    @property
    def behind(self) -> float:
        """Images of its step that are done."""
        return self.images + self.inherited

    @property
    def share(self) -> float:
        """What of them it has done itself."""
        return self.images / self.behind if self.behind else 1.0


@dataclass(frozen=True)
class Left:
    """Seconds that a search still needs, and whether one of its trials takes longer than was expected;
    ``at_most``: the search may end before, since it has a budget and not a number of trials."""

    seconds: float
    late: bool = False
    at_most: bool = False


def time_left(plan: Plan, trials: Sequence[Seen]) -> Left | None:
    """What the search still needs, step after step; None while there is nothing to judge by.

    A trial costs what those of its step have cost for an image, else what all have, larger nets more.
    """
    seconds, late = 0.0, False
    for stage in plan.stages():
        names = [step for step, _ in stage]
        running = [trial for trial in trials if trial.step in names and trial.status == RUNNING]
        under_way = [_rest(plan, trial, trials) for trial in running]
        waiting: list[float | None] = []
        for step, count in stage:
            left = count - _begun([trial for trial in trials if trial.step == step])
            waiting += [trial_cost(plan, step, None, trials)] * left if left > 0 else []
        if None in under_way or None in waiting:
            return None
        known = [left for left in under_way if left is not None]
        ahead = [cost for cost in waiting if cost is not None]
        seconds += makespan([*(left.seconds for left in known), *ahead], plan.concurrency)
        late = late or any(left.late for left in known)
    return Left(seconds, late, at_most=bool(plan.rungs))


def _begun(trials: Iterable[Seen]) -> int:
    """Trials that are under way or not run any more: done, or failed twice."""
    running = sum(trial.status == RUNNING for trial in trials)
    done = {trial.key for trial in trials if trial.status == DONE}
    failures = Counter(trial.key for trial in trials if trial.status == FAILED)
    return running + len(done) + sum(failures[key] > 1 for key in failures.keys() - done)


def _weight(plan: Plan, step: str, macs_m: float | None) -> float:
    """What an image of a net costs, relative to others."""
    work = plan.work.get(step)
    macs = macs_m if macs_m is not None else work.macs_m if work else None
    stage = next((stage for stage in plan.stages() if step in dict(stage)), [(step, 1)])
    beside = min(sum(count for _, count in stage), plan.concurrency) > 1
    return (1.0 if macs is None else macs**POWER) * (1.0 if beside else ALONE)


def trial_cost(plan: Plan, step: str, macs_m: float | None, trials: Sequence[Seen]) -> float | None:
    """Seconds of a whole trial of a step, of a net of ``macs_m`` or of the step's mean; None where nothing
    tells."""
    if macs_m is None and step == TRAIN:
        macs_m = next((trial.found_m for trial in trials if trial.found_m), None)
    weight = _weight(plan, step, macs_m)
    mine = [trial for trial in trials if trial.step == step]
    done = [trial for trial in mine if trial.status == DONE and trial.seconds and trial.share]
    if done:
        whole = sum(_weight(plan, step, t.macs_m) * t.share for t in done)
        return weight * sum(t.seconds for t in done) / whole
    work = plan.work.get(step)
    if work is None:
        return None
    seen = [trial for trial in mine if trial.images] or [trial for trial in trials if trial.images]
    if not seen:
        return None
    spent = sum(trial.images * _weight(plan, trial.step, trial.macs_m) for trial in seen)
    return work.images * weight * sum(trial.seconds for trial in seen) / spent


def _rest(plan: Plan, trial: Seen, trials: Sequence[Seen]) -> Left | None:
    """What a running trial still needs: its images at its own speed, once it has one."""
    expected = trial_cost(plan, trial.step, trial.macs_m, trials)
    if expected is None:
        return None
    work = _work(plan, trial.step, trials)
    if work is None:  # only whole trials tell
        late = trial.since > LATE * expected + LATE_SECONDS
        return Left(max(0.0, expected - trial.since), late)
    per_image = expected / work.images
    epoch = work.epoch_images
    if trial.images >= epoch / 2:
        per_image = trial.seconds / trial.images
    images = max(0.0, work.images - trial.behind)
    late = trial.since > LATE * epoch * per_image + LATE_SECONDS
    if late:  # an epoch that is not done yet has taken that long
        per_image = trial.since / epoch
    return Left(max(0.0, images * per_image - trial.since), late)


def _work(plan: Plan, step: str, trials: Iterable[Seen]) -> Work | None:
    """A whole trial of a step; one that has been run knows its images best."""
    work = plan.work.get(step)
    done = [trial.behind for trial in trials if trial.step == step and trial.status == DONE and trial.behind]
    if work is None or not done:
        return work
    return replace(work, images=sum(done) / len(done))


def makespan(seconds: Iterable[float], concurrency: int) -> float:
    """When the last of these ends, if in this order each takes the place that is free first."""
    places = [0.0] * max(1, concurrency)
    for duration in seconds:
        heapq.heappush(places, heapq.heappop(places) + duration)
    return max(places)


def in_words(left: Left | None) -> str:
    """``time left ?``, ``under 1 min left``, ``about 5 min left`` or ``about 2.1 h left``; for a trial that
    is late, ``longer than expected`` besides or, where it should have ended, instead."""
    if left is None:
        return "time left ?"
    minutes = left.seconds / 60
    if minutes < 1:
        return "longer than expected" if left.late else "under 1 min left"
    if minutes < 89.5:
        text = f"about {minutes:.0f} min left"
    elif minutes < 36 * 60:
        text = f"about {minutes / 60:.1f} h left"
    else:
        text = f"about {minutes / 60 / 24:.1f} days left"
    if left.at_most:
        text = f"at most {text}"
    return f"{text}, longer than expected" if left.late else text
