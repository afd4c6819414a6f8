"""NNI tuners of the strategies: every step of a search is an ordinary trial.

In an experiment file::

    tuner:
      className: autostr_nni.nni.tuner.StrategyTuner
      codeDirectory: .
      classArgs: {recipe: recipe.yml, strategy: two-step}

``strategy`` is a name, or ``my_module:MyStrategy`` of a module in ``codeDirectory``. `TwoStepTuner`,
`RandomTuner`, `HalvingTuner` and `OneShotTuner` are the same with a strategy of their own. Light: nothing
here imports torch.
"""

from __future__ import annotations

from autostr_nni.nni import manager_side
from autostr_nni.nni.experiment.tuners import NAMED
from autostr_nni.nni.proposing import ProposalTuner
from autostr_nni.nni.state import keep_recipe
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.system.errors import InputError


class StrategyTuner(ProposalTuner):
    """The tuner of any strategy.

    Args:
        strategy: its name or ``module:Class``; of a subclass in Python the strategy itself.
        recipe: the recipe's file, relative to the tuner's ``codeDirectory``.
        count: what a resumed search that grows may have of nets in all, where that is more than the recipe's.
    """

    def __init__(self, strategy: Strategy | str, recipe: str | None = None, count: int | None = None) -> None:
        if not isinstance(strategy, str):
            super().__init__(strategy)
            return
        if recipe is None:
            raise InputError("tuner.classArgs: recipe is missing, the file of the search's recipe")
        from autostr_nni.recipe import load_recipe
        from autostr_nni.strategies import find

        path = manager_side.find_recipe(recipe)
        loaded = load_recipe(path)
        kind = find(strategy, next(iter(manager_side.code_directories()), path.parent))
        if count is not None:
            loaded = kind.grown(loaded, count)
        super().__init__(kind.from_recipe(loaded))
        if self._folder is not None:
            keep_recipe(self._folder, loaded.model_dump(mode="json"))


class TwoStepTuner(StrategyTuner):
    """AutoSTR: stride paths, then the operator search on the best of them, then training of what it found."""

    def __init__(self, recipe: str) -> None:
        super().__init__(NAMED["TwoStepTuner"], recipe)


class HalvingTuner(StrategyTuner):
    """Many nets trained a little, the best of them on to a full training; then neighbours of the leaders."""

    def __init__(self, recipe: str) -> None:
        super().__init__(NAMED["HalvingTuner"], recipe)


class OneShotTuner(StrategyTuner):
    """One supernet over all paths and operations, nets ranked on its weights, the best of them trained on."""

    def __init__(self, recipe: str) -> None:
        super().__init__(NAMED["OneShotTuner"], recipe)


class RandomTuner(StrategyTuner):
    """The baseline: random architectures of the same space, each trained from scratch."""

    def __init__(self, recipe: str, count: int | None = None) -> None:
        super().__init__(NAMED["RandomTuner"], recipe, count)
