"""The ``searchSpace`` of an experiment file: flat choices, from which NNI's page draws its axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe
    from autostr_nni.strategies.core import Strategy


class Choices:
    """The choices that an experiment declares; they describe the search to the page and do not steer it."""

    def __init__(self, search_space: Mapping[str, Any] | None = None) -> None:
        self._values: dict[str, list[Any] | None] = {}
        for key, choice in (search_space or {}).items():
            listed = isinstance(choice, Mapping) and choice.get("_type") == "choice"
            self._values[key] = list(choice.get("_value") or []) if listed else None
        self._told: set[str] = set()

    def complaints(self, parameters: Mapping[str, Any]) -> Iterator[str]:
        """Sentences, one for each key, on parameters that the page cannot draw: they are not declared."""
        for key, value in parameters.items() if self._values else ():
            values = self._values.get(key)
            if key not in self._values:
                problem = f"has no key {key}, which trials of this recipe carry"
            elif values is not None and value not in values:
                problem = f"does not list {value} under {key}, which the recipe allows"
            else:
                continue
            if key not in self._told:
                self._told.add(key)
                yield f"The experiment's searchSpace {problem}: NNI's page will not draw it."


def search_space_of(strategy: Strategy, recipe: Recipe) -> dict[str, Any]:
    """The choices of a search, for experiment files that give none."""
    space = recipe.space()
    proposed = [str(trial.parameters["stride_path"]) for trial in strategy.trials]
    typical = [path.text(space.stage_layers) for path in space.typical_paths()]
    two_step = strategy.name == "two-step"
    declared: dict[str, list[str]] = {
        "step": ["path", "operators", "train"] if two_step else ["train"],
        "stride_path": sorted({*proposed, *typical}),
    }
    for layer in range(1, space.layers + 1):
        declared[f"op_{layer:02d}"] = list(space.operations)
    return {key: {"_type": "choice", "_value": values} for key, values in declared.items()}
