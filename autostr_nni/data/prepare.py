"""Makes sure that the sets of a recipe are there, and renders those that it asks to be rendered."""

from __future__ import annotations

from collections.abc import Callable

from autostr_nni.data.lmdb_io import LmdbReader, find_sets
from autostr_nni.data.synth.produce import ensure
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.recipe import Recipe


def prepare_data(
    recipe: Recipe, log: Callable[[str], None] = print, processes: int | None = None
) -> dict[str, bool]:
    """Render every set of ``data.synth`` that is not there yet; True for those that were made.

    Raises:
        InputError: a folder holds another set than the one described, or the description cannot be met; or
            a set for training, validation or test is missing, empty or damaged.
    """
    made = {}
    for folder, values in recipe.data.synth_specs(recipe.seed).items():
        spec = SynthSpec.from_dict(values)
        made[str(folder)] = ensure(folder, spec, processes)
        log(f"{'rendered' if made[str(folder)] else 'found'} {spec.count} words in {folder}")
    check_sets(recipe)
    return made


def check_sets(recipe: Recipe) -> None:
    """Open every set that the recipe names, so that a fault is told before hours of training, not after."""
    data = recipe.data
    for folder in (*data.train, *data.validation, *data.test.values()):
        for found in find_sets(folder):
            LmdbReader(found).close()
