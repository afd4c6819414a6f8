"""Makes sure that the sets of a recipe are there, and renders those that it asks to be rendered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autostr_nni.data.sets.folders import find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader, beyond_text
from autostr_nni.data.sets.usable import check_words
from autostr_nni.data.synth.produce import ensure, left_out_lines
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.recipe import Recipe
from autostr_nni.system.errors import InputError


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
        summary = ensure(folder, spec, processes)
        made[str(folder)] = summary is not None
        log(f"{'rendered' if made[str(folder)] else 'found'} {spec.count} words in {folder}")
        for line in left_out_lines(summary or {}):
            log(f"  {line}")
    check_sets(recipe, log)
    return made


def check_sets(recipe: Recipe, log: Callable[[str], None] = print) -> None:
    """Open every set that the recipe names, so that a fault is told before hours of training, not after.

    Raises InputError for one that is missing, empty, damaged, or named twice where it would count twice, and
    where no word can be used.
    Words that are both trained on and measured by are told.
    """
    data = recipe.data
    keys: dict[Path, list[str]] = {}
    for key, roots in (("train", data.train), ("validation", data.validation), ("test", data.test.values())):
        for root in roots:
            for found in find_sets(root):
                with LmdbReader(found) as reader:
                    more = reader.beyond()
                known = keys.setdefault(found.resolve(), [])
                if key in known:
                    raise InputError(
                        f"data.{key}: the set {found} is named twice, by itself or in its folder"
                    )
                if more and not known:
                    log(f"warning: {found}: {beyond_text(more, len(reader))}")
                if known:
                    both = f"data.{known[0]} and in data.{key}"
                    log(f"warning: {found} is in {both}: its figures measure little")
                known.append(key)
    check_words(recipe)
