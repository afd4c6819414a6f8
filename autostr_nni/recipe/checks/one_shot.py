"""Whether every set of a mix has a word in what a one-shot search draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autostr_nni.recipe.words.sources import too_small
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe.recipe import Recipe


def check_one_shot(recipe: Recipe) -> None:
    """Raise InputError where one has none: other strategies make no use of these keys.

    Without this the ranking would end so, after the supernet has been trained.
    """
    options = recipe.search.one_shot
    for key, images, sources in (
        ("epoch_images", options.epoch_images, recipe.data.train),
        ("recalibration", options.recalibration, recipe.data.train),
        ("words", options.words, recipe.data.validation_for("ranking")),
    ):
        small = None if images is None else too_small(sources, images)
        if small is not None:
            raise InputError(
                f"{recipe.source or 'recipe'}: search.one_shot.{key}: of {images} words {small.set} with its "
                f"weight of {small.weight:g} has none; write a larger number or a larger weight"
            )
