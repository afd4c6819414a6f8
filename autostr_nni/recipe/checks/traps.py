"""What no key of a recipe forbids by itself, and yet cannot be meant: told before a search, not after it.

Apart from the recipe's own checks, because a checkpoint or a search that has begun keeps the recipe it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe.recipe import Recipe


def check_traps(recipe: Recipe) -> None:
    """Raise InputError where the recipe asks for pixels or characters that its own sizes cannot give."""
    height, width = recipe.model.image
    place, rectifier = recipe.source or "recipe", recipe.model.rectifier
    if rectifier.enabled and (rectifier.image[0] < height or rectifier.image[1] < width):
        enough = [max(rectifier.image[0], height), max(rectifier.image[1], width)]
        raise InputError(
            f"{place}: model.rectifier.image is {list(rectifier.image)}, from which {[height, width]} of "
            f"model.image would be made up; write rectifier: {{image: {enough}}} or larger, or enabled: false"
        )
    steps, longest = recipe.model.steps, recipe.data.max_length
    if longest > steps:
        (rows, columns), shown = recipe.model.reduced, [height, width]
        given = f"model.image {shown} gives the decoder {steps} steps (width / 4)"
        wider = f"an image at least {4 * longest} wide"
        if recipe.model.sequence is not None:
            given = f"model.sequence {[rows, columns]} gives the decoder {steps} steps"
            wider = "a longer sequence"
        raise InputError(
            f"{place}: data.max_length is {longest}, but {given}, too few to tell so many characters apart; "
            f"write max_length: {steps} or less, or {wider}"
        )
