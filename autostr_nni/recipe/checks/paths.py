"""Whether the paths of step 1 are of the recipe's space."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal

from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError


def check_paths(paths: Sequence[str] | int | Literal["typical"], space: SearchSpace) -> None:
    """Raise ValueError where none is typical, or one that is listed does not lead to the sequence."""
    goal = f"{space.height}x{space.width} to {space.out_height}x{space.out_width}"
    if paths == "typical":
        if not space.typical_paths():
            raise ValueError(
                f"search.path.paths: no typical path takes {goal} with {len(space.stage_layers)} stages "
                f"and the strides {[*map(list, space.alphabet)]}; list the paths, or change model.image, "
                "model.sequence, model.strides or model.stage_layers"
            )
        return
    if isinstance(paths, int):
        return  # as many are drawn from the space
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


def _nearest(text: str, space: SearchSpace) -> str:
    typical = [path.text(space.stage_layers) for path in space.typical_paths()]
    near = get_close_matches(text, typical, n=1, cutoff=0.0)
    return f"; nearest is {near[0]}" if near else ""
