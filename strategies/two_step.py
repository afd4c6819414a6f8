"""The paper's search: first the stride path, then the operations on it, then the net from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

from .core import Book, Trial, reasons, succeeded
from .steps import OPERATORS, PATH, TRAIN, Planned

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


class TwoStep(Book):
    """Step 1: one trial per path, ranked by validation loss (Eq. 2). Step 2: the operator search on the best
    path, itself one trial, whose metrics carry the `architecture` found. Step 3: that net, trained alone.

    A step waits for all trials of the one before. Step 1 needs one path that could be trained and is left
    out where there is but one path. Of equal losses the path that was listed first is taken.
    """

    name = "two-step"
    label = "AutoSTR"
    steps: ClassVar[tuple[str, ...]] = (PATH, OPERATORS, TRAIN)
    settings = ("search.path", "search.operators", "search.proxy")

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> TwoStep:
        """Over the recipe's paths."""
        return cls(recipe.space(), recipe.search_paths())

    def __init__(self, space: SearchSpace, paths: Sequence[StridePath]) -> None:
        """`paths` are the candidates of step 1, in order. Raises InputError where there is none."""
        super().__init__()
        if not paths:
            raise InputError("search.path.paths: the search needs at least one stride path")
        self._space = space
        self._paths = [path.text(space.stage_layers) for path in paths]
        if len(self._paths) > 1:
            for text in self._paths:
                self._add(f"path-{text}", {"step": PATH, "stride_path": text})
        self._advance()

    @property
    def planned(self) -> int:
        """Trials of a search without failures."""
        return (len(self._paths) if len(self._paths) > 1 else 0) + 2

    @property
    def planned_steps(self) -> list[Planned]:
        """All paths, the operator search, and the training of what it found."""
        paths = [Planned(PATH, self.planned - 2)] if len(self._paths) > 1 else []
        return [*paths, Planned(OPERATORS, 1), Planned(TRAIN, 1)]

    def stoppable(self, id: str) -> bool:
        """Only step 1's trials: there is but one operator search, and one net to be trained in the end."""
        return any(trial.id == id for trial in self._of_step(PATH))

    def ranking(self) -> list[Trial]:
        """The path trials that ended well, lowest loss first."""
        order = {text: place for place, text in enumerate(self._paths)}

        def key(trial: Trial) -> tuple[float, int]:
            return (trial.metrics or {})["loss"], order[trial.parameters["stride_path"]]

        return sorted(succeeded(self._of_step(PATH)), key=key)

    def _fault(self, trial: Trial, metrics: Mapping[str, Any]) -> str | None:
        step = trial.parameters["step"]
        if step == PATH and "loss" not in metrics:
            return "it reported no loss"
        if step == OPERATORS:
            try:
                self._found(trial, metrics)
            except InputError as error:
                return str(error)
        return super()._fault(trial, metrics)

    def _found(self, trial: Trial, metrics: Mapping[str, Any]) -> Architecture:
        """The architecture that an operator search reported, which must lie on its path."""
        text = metrics.get("architecture")
        if not isinstance(text, str) or ":" not in text:
            raise InputError("it reported no architecture")
        found = Architecture.parse(text, self._space)
        path = found.path.text(self._space.stage_layers)
        if path != trial.parameters["stride_path"]:
            raise InputError(f"it reported an architecture on the path {path}")
        return found

    def _advance(self) -> None:
        """Open the next step once every trial of the last one is settled."""
        trials = self.trials
        if not all(trial.settled for trial in trials):
            return
        steps = {trial.parameters["step"] for trial in trials}
        if TRAIN in steps:
            trained = self._of_step(TRAIN)
            self._end(None if succeeded(trained) else f"the net could not be trained ({reasons(trained)})")
        elif OPERATORS in steps:
            searched = self._of_step(OPERATORS)
            done = succeeded(searched)
            if done:
                found = self._found(done[0], done[0].metrics or {})
                self._add("train", {"step": TRAIN, **found.to_parameters()})
            else:
                path = searched[0].parameters["stride_path"]
                self._end(f"the operator search on {path} failed ({reasons(searched)})")
        elif PATH in steps and not self.ranking():
            self._end(f"none of the {len(self._paths)} stride paths could be trained ({reasons(trials)})")
        else:
            chosen = self.ranking()[0].parameters["stride_path"] if PATH in steps else self._paths[0]
            self._add(f"operators-{chosen}", {"step": OPERATORS, "stride_path": chosen})
