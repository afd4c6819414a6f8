"""The book of trials that all of our strategies keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from autostr_nni.system.errors import InputError

from .steps import TRAIN, Planned
from .trials import (
    RETRY,
    Metrics,
    Parameters,
    Proposal,
    Status,
    Trial,
    best_of,
    finite,
    plain,
    reached,
    reasons,
    saved_trials,
    succeeded,
)

if TYPE_CHECKING:  # a strategy needs the recipe's values, not its classes
    from autostr_nni.recipe import Recipe

__all__ = [
    "RETRY",
    "Book",
    "Metrics",
    "Parameters",
    "Proposal",
    "Status",
    "Trial",
    "plain",
    "reached",
    "reasons",
    "saved_trials",
    "succeeded",
]

STATE_VERSION = 1
#: Settings of the recipe that every search of nets looks at.
BUDGET = ("search.operators.budget_m", "search.operators.operations")


class Book:
    """The trials of a search, and the parts of a strategy that do not depend on what is searched.

    The whole state is the list of trials: which step is on follows from it. Subclasses give the attributes,
    `from_recipe`, and `_advance`, which adds the trials that became possible and ends the search; they may
    refine what else is here. `registry.register` makes one known by its name.
    A failed trial is proposed once more, as `<id>-retry` with the same parameters.

    Attributes:
        name: as experiment files, states and reports write it.
        label: what reports call one of its nets; `{place}` is the net's number among those trained.
        steps: the steps (`steps.STEPS`) that its trials have, in the order in which they begin.
        baseline: its nets do not depend on one another; reports compare other searches with their orders.
        settings: keys of the recipe's `search` that it looks at, with all below them.
        grows: a search that is resumed may be given more nets (`grown`).
    """

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    steps: ClassVar[tuple[str, ...]] = (TRAIN,)
    settings: ClassVar[tuple[str, ...]] = ("search",)
    baseline: ClassVar[bool] = False
    grows: ClassVar[bool] = False

    def __init__(self) -> None:
        self._trials: list[Trial] = []
        self._failure: str | None = None
        self._finished = False

    # -- for subclasses

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Book:
        """The strategy over a recipe."""
        raise NotImplementedError

    @classmethod
    def grown(cls, recipe: Recipe, nets: int) -> Recipe:
        """The recipe of the same search with so many nets in all, if the recipe's own has fewer."""
        return recipe

    @classmethod
    def drawn(cls, trials: Sequence[Trial]) -> int:
        """Nets of a search that grows, by which `grown` counts."""
        return sum(not trial.id.endswith(RETRY) for trial in trials)

    def _advance(self) -> None:
        """Add what may be proposed next, or finish; called whenever something was learnt."""
        raise NotImplementedError

    def _fault(self, trial: Trial, metrics: Mapping[str, Any]) -> str | None:
        """Why `metrics` are no success of `trial`; None if they are one."""
        for key in ("loss", "default"):
            if key in metrics and not finite(metrics[key]):
                return f"its {key} is {metrics[key]}"
        return None

    def _add(self, id: str, parameters: Parameters) -> None:
        self._trials.append(Trial(id, parameters))

    def _of_step(self, step: str) -> list[Trial]:
        return [trial for trial in self._trials if trial.parameters["step"] == step]

    def _end(self, failure: str | None = None) -> None:
        self._finished, self._failure = True, failure

    # -- the protocol

    @property
    def finished(self) -> bool:
        """Nothing is left to be proposed or awaited."""
        return self._finished

    @property
    def failure(self) -> str | None:
        """Why the search ended without a result."""
        return self._failure

    @property
    def planned(self) -> int:
        """How many trials a search without failures has; here those that are known."""
        return sum(not trial.id.endswith(RETRY) for trial in self._trials)

    @property
    def planned_steps(self) -> list[Planned]:
        """The same by step, in the order in which steps begin; here all trials are of the last one."""
        return [Planned(self.steps[-1], self.planned)]

    @property
    def best(self) -> dict[str, Any] | None:
        """The result: here the best net that was trained to the end, so far."""
        first = best_of(self._of_step(TRAIN))
        if first is None:
            return None
        return {"id": first.id, "parameters": dict(first.parameters), "metrics": dict(first.metrics or {})}

    @property
    def trials(self) -> list[Trial]:
        """All trials so far, in the order of proposal, retries after what they repeat."""
        return list(self._trials)

    def suggest(self) -> list[Proposal]:
        """Proposals that may run now; each is returned once."""
        new = [trial for trial in self._trials if trial.status == "waiting"]
        self._trials = [replace(t, status="running") if t.status == "waiting" else t for t in self._trials]
        return [trial.proposal for trial in new]

    def pending(self) -> list[Proposal]:
        """Proposals that were suggested and not yet observed."""
        return [trial.proposal for trial in self._trials if trial.status == "running"]

    def observe(self, id: str, metrics: Mapping[str, Any] | None) -> None:
        """Take a trial's final metrics; None, or a loss that is no finite number, is a failure.

        A trial that was observed already stays as it is. Raises KeyError for an id of another search.
        """
        index = next((i for i, trial in enumerate(self._trials) if trial.id == id), None)
        if index is None:
            raise KeyError(f"the search has no trial {id!r}")
        trial = self._trials[index]
        if trial.settled:
            return
        reason = "the trial ended without a result" if metrics is None else self._fault(trial, metrics)
        kept = None if metrics is None else dict(metrics)
        status: Status = "done" if reason is None else "failed"
        self._trials[index] = replace(trial, status=status, metrics=kept, reason=reason)
        if reason is not None and not id.endswith(RETRY):
            self._trials.insert(index + 1, Trial(id + RETRY, dict(trial.parameters)))
        self._advance()

    def stoppable(self, id: str) -> bool:
        """Whether an assessor may stop this trial: here all, since all are trained alike."""
        return True

    def match(self, parameters: Mapping[str, Any]) -> str | None:
        """The id of the trial with these parameters: one that is awaited, else one observed, else None.

        Keys that a proposal of ours never carries are passed over. Of two trials of one net the one that more
        of the parameters are of comes first.
        """
        same = [t for t in self._trials if all(parameters.get(k) == v for k, v in t.parameters.items())]
        order = ("running", "waiting", "done", "failed")
        same.sort(key=lambda t: (-len(t.parameters), order.index(t.status)))
        return same[0].id if same else None

    def state_dict(self) -> dict[str, Any]:
        """The trials, fit for JSON: numbers that JSON lacks become text."""
        return {
            "version": STATE_VERSION,
            "strategy": self.name,
            "trials": [
                {
                    "id": t.id,
                    "parameters": dict(t.parameters),
                    "status": t.status,
                    "metrics": plain(t.metrics),
                    "reason": t.reason,
                }
                for t in self._trials
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Raises InputError where it is another strategy's or another recipe's."""
        if state.get("version") != STATE_VERSION or not isinstance(state.get("trials"), list):
            raise InputError("the saved search state is of another version; start in a new folder")
        if state.get("strategy") != self.name:
            raise InputError(
                f"the saved search state is of the strategy {state.get('strategy')!r}, not {self.name!r}; "
                "start in a new folder"
            )
        planned = {t.id: t.parameters for t in self._trials if not t.id.endswith(RETRY)}
        saved = saved_trials(state)
        known = {t.id: t.parameters for t in saved}
        if any(known.get(id) != parameters for id, parameters in planned.items()):
            raise InputError("the saved search state is of another recipe; start in a new folder")
        try:
            wrong = [t.id for t in saved if t.status == "done" and self._fault(t, t.metrics or {})]
            self._trials, self._failure, self._finished = saved, None, False
            self._advance()
        except (KeyError, TypeError, ValueError, IndexError):
            wrong = ["a trial"]
        if wrong:
            raise InputError(
                f"the result of {wrong[0]} in the saved search state is damaged; start in a new folder"
            )


class Stepped(Book):
    """A book whose strategy knows how many trials it has of each step (`planned_steps`)."""

    @property
    def planned(self) -> int:
        """Their sum."""
        return sum(step.trials for step in self.planned_steps)

    @property
    def planned_steps(self) -> list[Planned]:
        raise NotImplementedError
