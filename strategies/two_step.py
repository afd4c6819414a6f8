"""The paper's search: first the stride path, then the operations on it, then the net from scratch.

At small budgets two settings spend the same images better: paths climb a ladder, so that most of them are
trained but a little, and the operator search gives several nets, which climb one before one is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

from .core import Stepped, Trial, reasons, succeeded
from .ladder import Ladder, ladder_of
from .steps import OPERATORS, PATH, RUNG, TRAIN, Planned

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


class TwoStep(Stepped):
    """Step 1: one trial per path, ranked by validation loss (Eq. 2). Step 2: the operator search on the best
    path, itself one trial, whose metrics carry the `architecture` found. Step 3: that net, trained alone.

    A step waits for all trials of the one before. Step 1 needs one path that could be trained and is left
    out where there is but one path. Of equal losses the path that was listed first is taken.

    With a ladder of paths, one of its `reduction` paths goes on from each rung, but at least two, so that the
    last rung compares them. With `finalists`, that many nets at most come from the operator search, as its
    metrics' `finalists`, and climb a ladder too; the last one is trained to the end.
    """

    name = "two-step"
    label = "AutoSTR"
    steps: ClassVar[tuple[str, ...]] = (PATH, OPERATORS, RUNG, TRAIN)
    settings = (
        "search.init",
        "search.augment",
        "search.path",
        "search.operators",
        "search.proxy",
        "search.halving.rungs",
        "search.halving.reduction",
    )

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> TwoStep:
        """Over the recipe's paths, with its ladders."""
        path, halving = recipe.search.path, recipe.search.halving
        epochs = halving.rungs or ladder_of(recipe.training.epochs)
        return cls(
            recipe.space(),
            recipe.search_paths(),
            None if path.rungs is None else Ladder(path.rungs, path.reduction),
            recipe.search.operators.finalists,
            Ladder(epochs, halving.reduction),
            recipe.has_proxy,
        )

    def __init__(
        self,
        space: SearchSpace,
        paths: Sequence[StridePath],
        climb: Ladder | None = None,
        finalists: int = 1,
        ladder: Ladder | None = None,
        proxy: bool = False,
    ) -> None:
        """Propose step 1.

        Args:
            space: where the paths lie.
            paths: the candidates of step 1, in order.
            climb: rungs at which paths are compared; None: all paths are trained equally long.
            finalists: nets that the operator search may give, of which one is trained to the end.
            ladder: rungs at which those are compared, the last of them a whole training.
            proxy: nets are ranked by a proxy, and the best is trained from scratch.

        Raises:
            InputError: there is no path.
        """
        super().__init__()
        if not paths:
            raise InputError("search.path.paths: the search needs at least one stride path")
        self._space = space
        self._paths = [path.text(space.stage_layers) for path in paths]
        self._climb = climb if len(paths) > 1 else None
        self._finalists, self._ladder, self._proxy = finalists, ladder or Ladder((1,)), proxy
        if len(self._paths) > 1:
            self._add_paths(self._paths, 0)
        self._advance()

    # -- what is planned

    @property
    def planned_steps(self) -> list[Planned]:
        """Paths of each rung, the operator search, nets of each rung, and the rest of one's training."""
        paths = len(self._paths) if len(self._paths) > 1 else 0
        steps = [Planned(PATH, paths)] if self._climb is None else self._climb.planned(PATH, paths, 2)
        nets = self._ladder.planned(RUNG, self._nets_found())[:-1]
        tried = [rung for rung in nets if rung.trials > 1]
        last = Planned(TRAIN, 1)
        if tried and not self._proxy:
            last = Planned(TRAIN, 1, tried[-1].end or 0, self._ladder.epochs[-1])
        return [step for step in (*steps, Planned(OPERATORS, 1), *tried, last) if step.trials]

    def _nets_found(self) -> int:
        """Nets of the operator search, as many as it may give until it has ended."""
        done = succeeded(self._of_step(OPERATORS))
        return len(self._found(done[0], done[0].metrics or {})) if done else self._finalists

    def stoppable(self, id: str) -> bool:
        """Paths, those on their first rung: other trials are not trained like them, and a net's figure is
        not a path's."""
        first = None if self._climb is None else self._climb.epochs[0]
        return any(t.id == id and t.parameters.get("epochs") == first for t in self._of_step(PATH))

    # -- what came out

    def ranking(self) -> list[Trial]:
        """The path trials that ended well: those that climbed highest first, then by their loss."""
        order = {text: place for place, text in enumerate(self._paths)}

        def key(trial: Trial) -> tuple[int, float, int]:
            loss, place = (trial.metrics or {})["loss"], order[trial.parameters["stride_path"]]
            return -trial.parameters.get("epochs", 0), loss, place

        return sorted(succeeded(self._of_step(PATH)), key=key)

    def _fault(self, trial: Trial, metrics: Mapping[str, Any]) -> str | None:
        step = trial.parameters["step"]
        if step in (PATH, RUNG) and "loss" not in metrics:
            return "it reported no loss"
        if step == OPERATORS:
            try:
                self._found(trial, metrics)
            except InputError as error:
                return str(error)
        return super()._fault(trial, metrics)

    def _found(self, trial: Trial, metrics: Mapping[str, Any]) -> list[Architecture]:
        """The architectures that an operator search reported, the most probable first; all on its path."""
        text = metrics.get("architecture")
        if not isinstance(text, str) or ":" not in text:
            raise InputError("it reported no architecture")
        others = metrics.get("finalists", "")
        texts = [text, *(str(others).split() if self._finalists > 1 else [])]
        found = {net.text: net for net in (Architecture.parse(each, self._space) for each in texts)}
        paths = {net.path.text(self._space.stage_layers) for net in found.values()}
        strange = sorted(paths - {trial.parameters["stride_path"]})
        if strange:
            raise InputError(f"it reported an architecture on the path {strange[0]}")
        return list(found.values())

    # -- what comes next

    def _advance(self) -> None:
        """Open the next step once every trial of the last one is settled."""
        trials = self.trials
        if not all(trial.settled for trial in trials):
            return
        steps = {trial.parameters["step"] for trial in trials}
        if TRAIN in steps:
            trained = self._of_step(TRAIN)
            self._end(None if succeeded(trained) else f"the net could not be trained ({reasons(trained)})")
        elif RUNG in steps:
            self._go_on_with_nets()
        elif OPERATORS in steps:
            searched = self._of_step(OPERATORS)
            done = succeeded(searched)
            if done:
                self._add_nets(self._found(done[0], done[0].metrics or {}), 0)
            else:
                path = searched[0].parameters["stride_path"]
                self._end(f"the operator search on {path} failed ({reasons(searched)})")
        elif PATH in steps:
            self._go_on_with_paths()
        else:
            self._search_on(self._paths[0])

    def _search_on(self, path: str) -> None:
        self._add(f"operators-{path}", {"step": OPERATORS, "stride_path": path})

    def _add_paths(self, paths: Sequence[str], rung: int) -> None:
        """Trials of paths, on a rung where they climb."""
        for text in paths:
            if self._climb is None:
                self._add(f"path-{text}", {"step": PATH, "stride_path": text})
            else:
                epochs = self._climb.epochs[rung]
                parameters = {"step": PATH, "epochs": epochs, "stride_path": text}
                self._add(f"path-{text}-{epochs}", parameters)

    def _go_on_with_paths(self) -> None:
        """The next rung of the paths that lead, or the operator search on the best."""
        rung = _rung(self._of_step(PATH), self._climb)
        ranked = self.ranking()
        if self._climb is not None:
            ranked = [trial for trial in ranked if trial.parameters["epochs"] == self._climb.epochs[rung]]
        if not ranked:
            here = [trial for trial in self._of_step(PATH) if _rung([trial], self._climb) == rung]
            which = f"none of the {len(self._paths)} stride paths could be trained"
            if self._climb is not None and rung:
                which = f"none of the stride paths that went on to {self._climb.epochs[rung]} epochs could be"
                which += " trained so long"
            self._end(f"{which} ({reasons(here)})")
            return
        texts = [str(trial.parameters["stride_path"]) for trial in ranked]
        if self._climb is None or rung == self._climb.top or len(texts) == 1:
            self._search_on(texts[0])
        else:
            self._add_paths(texts[: max(2, len(texts) // self._climb.reduction)], rung + 1)

    def _add_nets(self, nets: Sequence[Architecture], rung: int) -> None:
        """Nets on a rung; one that is alone, or at the top, is trained to the end."""
        if len(nets) == 1 or rung == self._ladder.top:
            self._add("train", {"step": TRAIN, **nets[0].to_parameters()})
            return
        epochs = self._ladder.epochs[rung]
        for place, net in enumerate(nets, 1):
            parameters = {"step": RUNG, "epochs": epochs, **net.to_parameters()}
            self._add(f"finalist-{place}-{epochs}", parameters)

    def _go_on_with_nets(self) -> None:
        """The next rung of the nets that lead, by their loss."""
        tried = self._of_step(RUNG)
        rung = _rung(tried, self._ladder)
        here = [trial for trial in tried if trial.parameters["epochs"] == self._ladder.epochs[rung]]
        ranked = sorted(succeeded(here), key=lambda trial: (trial.metrics or {})["loss"])
        if not ranked:
            self._end(f"none of the nets found could be trained ({reasons(here)})")
            return
        nets = [Architecture.from_parameters(trial.parameters, self._space) for trial in ranked]
        self._add_nets(nets[: max(1, len(nets) // self._ladder.reduction)], rung + 1)


def _rung(trials: Sequence[Trial], ladder: Ladder | None) -> int:
    """The highest rung of trials that climb; 0 without a ladder."""
    if ladder is None:
        return 0
    return max(ladder.epochs.index(trial.parameters["epochs"]) for trial in trials)
