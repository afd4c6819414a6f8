"""An evaluator of NNI's Python API that trains as a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nni.nas.evaluator import Evaluator
from nni.nas.space import ExecutableModelSpace

from autostr_nni.recipe import load_recipe
from autostr_nni.strategies.steps import TRAIN


class RecipeEvaluator(Evaluator):  # type: ignore[misc]
    """Runs a trial of an `AutoSTRSpace`, of any step, and reports as the trials of `autostr search` do.

    A model without a step (of NNI's own strategies) is trained from scratch and scored.

    Args:
        recipe: the recipe's file, which trials read again.
    """

    def __init__(self, recipe: str | Path) -> None:
        self.recipe = Path(recipe).expanduser().resolve()
        load_recipe(self.recipe)  # what is wrong with it is told here, not by every trial

    def extra_repr(self) -> str:
        return f"recipe={str(self.recipe)!r}"

    def _execute(self, model: ExecutableModelSpace) -> dict[str, Any]:
        from autostr_nni.trial import end_children, run_parameters

        try:
            return dict(run_parameters(load_recipe(self.recipe), {"step": TRAIN, **(model.sample or {})}))
        finally:
            end_children()

    def _dump(self) -> dict[str, Any]:
        return {"recipe": str(self.recipe)}

    @staticmethod
    def _load(**arguments: Any) -> RecipeEvaluator:
        return RecipeEvaluator(**arguments)
