"""The two-step search as a strategy of NNI's Python API, for `nas_experiment.NasExperiment`.

Every step is a trial of the experiment, as under the tuner. What NNI 3.0 cannot do here: resume (its
`resume()` fails on torch 2.6 and later, and then hangs) and `nnictl view`; `autostr search` does both.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nni.nas.execution import ExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, ModelEventType, TrainingEndEvent
from nni.nas.space import ExecutableModelSpace, SimplifiedModelSpace
from nni.nas.strategy import Strategy

from autostr_nni.nas.space import ReadableModelSpace
from autostr_nni.nni.trial_side.figures import from_nni
from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.runs.figures import Figures
from autostr_nni.strategies.core import Proposal
from autostr_nni.strategies.steps import SEARCHING, TRAIN
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.errors import InputError

logger = logging.getLogger("autostr_nni.strategy")


class TwoStepStrategy(Strategy):  # type: ignore[misc]
    """Stride paths, then the operator search on the best of them, then training of what it found.

    The evaluator is given a `Backbone` in the first and the last step and reports its score: a number (the
    greater the better), or a dictionary with `default` (the same) and `loss`, by which paths are ranked. In
    the second step it is given a `Supernet` and reports a dictionary with the `architecture` found, as text.
    `autostr_nni.nas.evaluator.RecipeEvaluator` does all that by the recipe.

    Args:
        recipe: the recipe, or its file. The model space must be that of `recipe.space()`.
    """

    grace = 2.0  # seconds in which a final result may still arrive after its trial has ended

    def __init__(self, recipe: Recipe | str | Path) -> None:
        super().__init__()
        self.recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        settings = self.recipe.search
        if settings.path.rungs is not None or settings.operators.finalists > 1:
            raise InputError(
                "TwoStepStrategy trains each path and net once: leave search.path.rungs and "
                "search.operators.finalists out, or search with an experiment file"
            )
        self.search = TwoStep.from_recipe(self.recipe)
        self._models: dict[str, ReadableModelSpace] = {}  # by proposal; the engine itself forgets models
        self._running: dict[int, str] = {}  # proposal by the model's identity
        self._ended: dict[str, float] = {}  # trials without a final report, and when they ended
        self._news = threading.Condition()

    def extra_repr(self) -> str:
        return f"recipe={self.recipe.source}"

    @property
    def failure(self) -> str | None:
        """Why the search ended without a result, in a sentence; None if it has one, or is not at its end."""
        return self.search.failure

    def _initialize(self, model_space: ExecutableModelSpace, engine: ExecutionEngine) -> ExecutableModelSpace:
        if not isinstance(model_space, SimplifiedModelSpace):
            raise InputError("TwoStepStrategy needs NNI's simplified model format: leave model_format out")
        self._space = ReadableModelSpace.of(model_space)
        if self._space.search_space != self.recipe.space():
            raise InputError(
                "the model space is not the recipe's: make it as AutoSTRSpace(strategy.recipe.space())"
            )
        return self._space

    def _run(self) -> None:
        self.engine.register_model_event_callback(ModelEventType.FinalMetric, self._on_final)
        self.engine.register_model_event_callback(ModelEventType.TrainingEnd, self._on_end)
        ready: deque[Proposal] = deque()
        while True:
            with self._news:
                self._settle()
                ready.extend(self.search.suggest())
                if self.search.finished:
                    break
            while ready and self.engine.idle_worker_available():
                self._submit(ready.popleft())
            if not self.engine.budget_available() and (ready or not self._running):
                raise RuntimeError("the experiment ended before the search: raise max_trial_number")
            with self._news:
                self._news.wait(0.5)
        if self.failure:
            raise RuntimeError(f"the search failed: {self.failure}")

    def _submit(self, proposal: Proposal) -> None:
        model = self._space.propose(proposal.parameters, self.recipe.search.path.default_operation)
        with self._news:
            self._models[proposal.id] = model
            self._running[id(model)] = proposal.id
        self.engine.submit_models(model)

    def _on_final(self, event: FinalMetricEvent) -> None:
        with self._news:
            proposal = self._running.pop(id(event.model), None)
            if proposal is not None:
                self._ended.pop(proposal, None)
                self.search.observe(proposal, metrics_of(event.metric))
                self._news.notify_all()

    def _on_end(self, event: TrainingEndEvent) -> None:
        with self._news:
            proposal = self._running.get(id(event.model))
            if proposal is not None:
                self._ended[proposal] = time.monotonic()

    def _settle(self) -> None:
        """A trial that has ended without a final report has failed, whatever its exit status."""
        late = [item for item, at in self._ended.items() if time.monotonic() - at > self.grace]
        for proposal in late:
            del self._ended[proposal], self._running[id(self._models[proposal])]
            self.search.observe(proposal, None)

    def _cleanup(self) -> None:
        self.engine.unregister_model_event_callback(ModelEventType.FinalMetric, self._on_final)
        self.engine.unregister_model_event_callback(ModelEventType.TrainingEnd, self._on_end)

    def list_models(self, sort: bool = True, limit: int | None = None) -> Iterator[ExecutableModelSpace]:
        """The models that were run. Sorted: the trained net first, then those of the paths by their loss."""
        trials = self.search.trials
        if sort:
            done = [t for t in trials if t.status == "done" and t.parameters["step"] not in SEARCHING]
            trials = sorted(
                done, key=lambda t: (t.parameters["step"] != TRAIN, (t.metrics or {}).get("loss", math.inf))
            )
        models = [self._models[trial.id] for trial in trials if trial.id in self._models]
        yield from models[:limit]

    def state_dict(self) -> dict[str, Any]:
        """NNI keeps it in the experiment's checkpoint."""
        return dict(self.search.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.search.load_state_dict(state_dict)


def metrics_of(value: Any) -> Figures:
    """A final report as the strategies take it; a number is a score, whose negative ranks paths."""
    if isinstance(value, Mapping):
        return from_nni(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"default": value, "loss": -value}
    return {"default": value}
