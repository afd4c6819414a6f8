"""The ``searchSpace`` of an experiment file: flat choices, from which NNI's page draws its axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from autostr_nni.strategies.steps import NET, TRAIN
from autostr_nni.system.errors import InputError, shown

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe
    from autostr_nni.strategies.protocol import Strategy


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


def search_space_of(recipe: Recipe, strategy: Strategy | None) -> dict[str, Any]:
    """The choices of a search, for experiment files that give none.

    Without a strategy of ours another's tuner draws from them, each key by itself: typical paths only, and
    for each layer the operations that all of them allow, so that whatever is drawn can be built.
    """
    space = recipe.space()
    typical = space.typical_paths()
    if strategy is None and not typical:
        where = recipe.source or "the recipe"
        raise InputError(
            f"{where}: of its stride paths none is typical: write searchSpace in the experiment file"
        )
    paths = {path.text(space.stage_layers) for path in typical or recipe.search_paths()}
    steps = [TRAIN]
    if strategy is not None:
        paths |= {str(t.parameters["stride_path"]) for t in strategy.trials if "stride_path" in t.parameters}
        steps = list(strategy.steps)
    declared: dict[str, list[str]] = {"step": steps, "stride_path": sorted(paths)}
    named = [str(t.parameters[NET]) for t in strategy.trials if NET in t.parameters] if strategy else []
    if named:
        declared[NET] = list(dict.fromkeys(named))
    for layer in range(1, space.layers + 1):
        allowed = [set(space.candidates(path, layer)) for path in typical]
        common = set(space.operations) if strategy is not None else set.intersection(*allowed)
        declared[f"op_{layer:02d}"] = [name for name in space.operations if name in common]
    return {key: {"_type": "choice", "_value": values} for key, values in declared.items()}


def check_drawable(choices: Mapping[str, Any], recipe: Recipe) -> None:
    """Refuse choices of which a tuner that draws each key by itself could make what no trial can train.

    Raises InputError, which begins with the key.
    """
    from autostr_nni.search_spaces.architecture import Architecture

    space = recipe.space()
    values = {key: choice["_value"] for key, choice in choices.items()}
    advice = "leave searchSpace out to have it filled in"
    wrong = [step for step in values.get("step", [None]) if step != TRAIN]
    if wrong:
        raise InputError(
            f"step must be a choice of {TRAIN} alone, not {shown(values.get('step'))}: NNI's tuners know no "
            f"steps; {advice}"
        )
    first = {key: listed[0] for key, listed in values.items()}
    for key, listed in values.items():
        for value in listed:
            for path in values.get("stride_path", [None]):
                try:
                    Architecture.from_parameters({**first, "stride_path": path, key: value}, space)
                except InputError as error:
                    raise InputError(
                        f"{key} has {shown(value)} beside the path {path}: {error}; {advice}"
                    ) from None
