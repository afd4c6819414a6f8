"""Makes sure that the sets which a recipe asks to be rendered are there."""

from __future__ import annotations

from collections.abc import Callable

from autostr_nni.data.synth.produce import ensure
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.recipe import Recipe


def prepare_data(
    recipe: Recipe, log: Callable[[str], None] = print, processes: int | None = None
) -> dict[str, bool]:
    """Render every set of ``data.synth`` that is not there yet; True for those that were made.

    Raises:
        InputError: a folder holds another set than the one described, or the description cannot be met.
    """
    made = {}
    for folder, values in recipe.data.synth_specs(recipe.seed).items():
        spec = SynthSpec.from_dict(values)
        made[str(folder)] = ensure(folder, spec, processes)
        log(f"{'rendered' if made[str(folder)] else 'found'} {spec.count} words in {folder}")
    return made
