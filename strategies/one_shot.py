"""One supernet over all stride paths and operations at once, nets ranked on its weights, the best trained on.

Single-path one-shot search (Guo et al. 2020) with fair draws (FairNAS, Chu et al. 2021) over paths as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError

from .core import BUDGET, RETRY, Stepped, Trial, reasons, succeeded
from .steps import RANKING, SUPERNET, TRAIN, WEIGHTS, Planned

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


class OneShot(Stepped):
    """Three steps, each once the one before has ended: the supernet, one trial; the ranking of nets on its
    weights, one trial, whose metrics carry the `finalists`; and the training of each of these from the
    weights that it inherits. The finalist that is most accurate on validation is the result.
    """

    name = "one-shot"
    label = "one-shot {place}"
    steps = (SUPERNET, RANKING, TRAIN)
    settings = ("search.init", "search.one_shot", "search.proxy", "search.front", *BUDGET)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> OneShot:
        """With as many finalists as the recipe says."""
        return cls(recipe.space(), recipe.search.one_shot_finalists)

    def __init__(self, space: SearchSpace, finalists: int) -> None:
        """`finalists` are trained at most. Raises InputError where that is none."""
        super().__init__()
        if finalists < 1:
            raise InputError(f"search.one_shot.finalists must be at least 1, not {finalists}")
        self._space, self._finalists = space, finalists
        self._add(SUPERNET, {"step": SUPERNET})

    @property
    def planned_steps(self) -> list[Planned]:
        """The supernet, the ranking, and the finalists, of which a small space may have fewer."""
        known = sum(not trial.id.endswith(RETRY) for trial in self._of_step(TRAIN))
        return [Planned(SUPERNET, 1), Planned(RANKING, 1), Planned(TRAIN, known or self._finalists)]

    def stoppable(self, id: str) -> bool:
        """Only finalists: there is but one supernet and one ranking."""
        return any(trial.id == id for trial in self._of_step(TRAIN))

    def _fault(self, trial: Trial, metrics: Mapping[str, Any]) -> str | None:
        step = trial.parameters["step"]
        if step == TRAIN and "default" not in metrics:
            return "it reported no accuracy"
        if step == RANKING:
            try:
                self._found(metrics)
            except InputError as error:
                return str(error)
        return super()._fault(trial, metrics)

    def _found(self, metrics: Mapping[str, Any]) -> list[Architecture]:
        """The finalists that a ranking reported."""
        text = metrics.get("finalists")
        if not isinstance(text, str) or not text.strip():
            raise InputError("it reported no finalists")
        return [Architecture.parse(one, self._space) for one in text.split()[: self._finalists]]

    def _advance(self) -> None:
        """Open the next step once every trial of the last one is settled."""
        trials = self.trials
        if not all(trial.settled for trial in trials):
            return
        last = trials[-1].parameters["step"]
        of_step = self._of_step(last)
        done = succeeded(of_step)
        if last == TRAIN:
            self._end(None if done else f"none of the finalists could be trained ({reasons(of_step)})")
        elif not done:
            what = "the supernet could not be trained" if last == SUPERNET else "the ranking of nets failed"
            self._end(f"{what} ({reasons(of_step)})")
        elif last == SUPERNET:
            self._add(RANKING, {"step": RANKING})
        else:
            for place, net in enumerate(self._found(done[0].metrics or {}), 1):
                name = f"finalist-{place}"
                self._add(name, {"step": TRAIN, WEIGHTS: name, **net.to_parameters()})
