"""Ask/tell: what a search strategy is.

A strategy is pure: no clock, no files, no NNI. It is told results in any order and any number at a time, and
what it proposes depends on the recipe, its seed and those results alone, never on their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from .steps import Planned
from .trials import Proposal, Trial


@runtime_checkable
class Strategy(Protocol):
    """What runs trials (NNI's tuner, the in-process runner) may ask of a strategy."""

    @property
    def name(self) -> str:
        """The name that `strategies.build` knows it by."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps (`steps.STEPS`) that its trials have, in the order in which they begin."""

    @property
    def finished(self) -> bool:
        """Nothing is left to be proposed or awaited; `failure` tells whether it ended well."""

    @property
    def failure(self) -> str | None:
        """Why the search ended without a result, in a sentence."""

    @property
    def best(self) -> dict[str, Any] | None:
        """The result: `id`, `parameters` and `metrics` of the net that was chosen and trained."""

    @property
    def planned(self) -> int:
        """How many trials a search without failures has."""

    @property
    def planned_steps(self) -> list[Planned]:
        """The same by step, in the order in which steps begin."""

    @property
    def trials(self) -> list[Trial]:
        """All trials so far, in the order of proposal, retries after what they repeat."""

    def suggest(self) -> list[Proposal]:
        """Proposals that may run now, all at once if wished; each is returned once."""

    def pending(self) -> list[Proposal]:
        """Proposals that were suggested and not yet observed: to be run again after a restart."""

    def observe(self, id: str, metrics: Mapping[str, Any] | None) -> None:
        """Take a trial's final metrics; None if it failed."""

    def stoppable(self, id: str) -> bool:
        """Whether an assessor may compare this trial with others, and stop it before its end."""

    def match(self, parameters: Mapping[str, Any]) -> str | None:
        """The id of the proposal with these parameters; None if the search has none."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on, fit for JSON."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()` of the same strategy over the same recipe."""
