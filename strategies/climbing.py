"""The book of a search whose nets climb a ladder: on which rung a trial is, what was spent, and who leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.space import SearchSpace

from .core import RETRY, Stepped, Trial
from .front import handed_over, ordered
from .ladder import Ladder
from .steps import TRAIN

LEADERS = 3  # whose neighbours are tried


class Climbing(Stepped):
    """Trials that are nets, each trained up to a rung."""

    def __init__(
        self, space: SearchSpace, ladder: Ladder, proxy: bool, front: int, learnt_above: float, price: Price
    ) -> None:
        """Begin without trials; the arguments are as of `Halving`."""
        super().__init__()
        self._space, self._ladder, self._proxy = space, ladder, proxy
        self._front, self._learnt_above, self._price = front, learnt_above, price
        self._nets: dict[str, Architecture] = {}  # by trial

    def _fault(self, trial: Trial, metrics: Mapping[str, Any]) -> str | None:
        for key in ("loss", "default"):
            if key not in metrics:
                return f"it reported no {key}"
        return super()._fault(trial, metrics)

    def stoppable(self, id: str) -> bool:
        """Nets on the first rung alone are trained alike; the others go on from different heights."""
        return any(trial.id == id and self._rung(trial) == 0 for trial in self._trials)

    def _originals(self) -> Iterator[Trial]:
        """The trials of the ladder but those that repeat another."""
        return (t for t in self._trials if not t.id.endswith(RETRY) and self._rung(t) >= 0)

    def _rung(self, trial: Trial) -> int:
        """The rung of a trial; -1 for the last training of a proxy's winner."""
        if trial.parameters["step"] == TRAIN:
            return -1 if self._proxy else self._ladder.top
        return self._ladder.epochs.index(trial.parameters["epochs"])

    @property
    def _at_the_top(self) -> int:
        """Nets that were proposed for a full training."""
        return sum(self._rung(trial) == self._ladder.top for trial in self._originals())

    def _spent(self) -> int:
        """Epochs of all proposals so far; repeated ones cost the search nothing more."""
        return sum(self._ladder.cost(self._rung(trial)) for trial in self._originals())

    def _done(self, known: Sequence[Trial], rung: int) -> list[Trial]:
        """Those of a rung that ended well, in the order of proposal."""
        return [trial for trial in known if trial.status == "done" and self._rung(trial) == rung]

    def _ranked(self, known: Sequence[Trial], rung: int) -> list[Trial]:
        """Those of a rung that ended well, lowest validation loss first; for a front, along cost and loss."""
        done = self._done(known, rung)
        if self._front == 1:
            return sorted(done, key=lambda trial: (trial.metrics or {})["loss"])
        points = [(self._cost(trial), -(trial.metrics or {})["loss"]) for trial in done]
        return [done[place] for place in ordered(points)]

    def _texts(self, rung: int) -> set[str]:
        """The nets that were proposed for a rung."""
        return {self._architecture(t).text for t in self._originals() if self._rung(t) == rung}

    def _cost(self, trial: Trial) -> float:
        """What a front is along, beside accuracy."""
        return self._price.of(self._architecture(trial), self._space)

    def _architecture(self, trial: Trial) -> Architecture:
        if trial.id not in self._nets:
            self._nets[trial.id] = Architecture.from_parameters(trial.parameters, self._space)
        return self._nets[trial.id]

    def _leaders(self, known: Sequence[Trial]) -> list[Architecture]:
        """The nets that came furthest, by their loss there."""
        found: dict[str, Architecture] = {}
        for rung in range(self._ladder.top, -1, -1):
            for trial in self._ranked(known, rung):
                architecture = self._architecture(trial)
                found.setdefault(architecture.text, architecture)
        return list(found.values())[:LEADERS]

    def _winners(self) -> list[Trial]:
        """The nets of the top rung that a search hands over, the best first."""
        top = self._done(self._trials, self._ladder.top)
        nets = [(self._cost(trial), trial.metrics) for trial in top]
        return [top[place] for place in reversed(handed_over(nets, self._front, self._learnt_above))]

    def _train_winners(self) -> bool:
        """Add the trainings without the proxy; False where there is no net for one."""
        winners = self._winners()
        for place, winner in enumerate(winners, 1):
            name = "train" if place == 1 else f"train-{place}"
            self._add(name, {"step": TRAIN, **self._architecture(winner).to_parameters()})
        return bool(winners)
