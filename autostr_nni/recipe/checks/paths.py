"""Whether the paths that a recipe asks for are of its space."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from autostr_nni.recipe.search import SearchSection
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError


def check_paths(search: SearchSection, space: SearchSpace) -> None:
    """Raise ValueError where typical ones are asked for and there are none, or one that is listed does not
    lead to the sequence."""
    if search.random.paths == "typical":
        _check_typical("search.random.paths", "leave it out", space)
    if search.path.paths == "typical":
        _check_typical("search.path.paths", "list the paths", space)
    elif not isinstance(search.path.paths, int):  # a number are drawn from the space
        _check_listed(search.path.paths, space)


def _check_listed(paths: Sequence[str], space: SearchSpace) -> None:
    goal = _goal(space)
    known: dict[StridePath, str] = {}
    for text in paths:
        try:
            path = StridePath.parse(text, space.stage_layers)
        except InputError as error:
            raise ValueError(f"search.path.paths: {error}") from None
        reason = space.paths.why_not(path)
        if reason:
            raise ValueError(
                f"search.path.paths: {text} does not take {goal}, {reason}{_nearest(text, space)}"
            )
        if path in known:
            raise ValueError(f"search.path.paths: {known[path]} and {text} are the same path")
        known[path] = text


def _check_typical(key: str, instead: str, space: SearchSpace) -> None:
    if not space.typical_paths():
        raise ValueError(
            f"{key}: no typical path takes {_goal(space)} with {len(space.stage_layers)} stages "
            f"and the strides {[*map(list, space.alphabet)]}; {instead}, or change model.image, "
            "model.sequence, model.strides or model.stage_layers"
        )


def _goal(space: SearchSpace) -> str:
    return f"{space.height}x{space.width} to {space.out_height}x{space.out_width}"


def _nearest(text: str, space: SearchSpace) -> str:
    typical = [path.text(space.stage_layers) for path in space.typical_paths()]
    near = get_close_matches(text, typical, n=1, cutoff=0.0)
    return f"; nearest is {near[0]}" if near else ""
