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
    steps, longest = width // 4, recipe.data.max_length
    if longest > steps:
        raise InputError(
            f"{place}: data.max_length is {longest}, but model.image {[height, width]} gives the decoder "
            f"{steps} steps (width / 4), too few to tell so many characters apart; write max_length: "
            f"{steps} or less, or an image at least {4 * longest} wide"
        )
