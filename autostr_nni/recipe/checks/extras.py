"""What a recipe needs beside the package itself."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from autostr_nni.system.errors import InputError
from autostr_nni.system.installing import how_to_install

if TYPE_CHECKING:
    from autostr_nni.recipe.recipe import Recipe


def check_extras(recipe: Recipe) -> None:
    """Raise InputError where the recipe asks for what is not installed: better before a search than in its
    trials."""
    if recipe.training.tensorboard:
        check_tensorboard(str(recipe.source or "recipe"))


def check_tensorboard(recipe: str) -> None:
    """Raise InputError, which begins with the name of the ``recipe``, where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise InputError(
            f"{recipe}: training.tensorboard: TensorBoard is not installed: "
            f"install with `{how_to_install('tensorboard')}`, or write false"
        )
