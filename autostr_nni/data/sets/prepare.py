"""Makes sure that the sets of a recipe are there, and renders those that it asks to be rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from autostr_nni.data.sets.folders import DATA_FILE, find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader, beyond_text
from autostr_nni.data.sets.usable import ELSEWHERE, check_words
from autostr_nni.data.synth.produce import check_spec, ensure, left_out_lines
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.words.sources import WordSource
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
        with _synth_named(recipe, folder):
            spec = SynthSpec.from_dict(values)
            summary = ensure(folder, spec, processes)
        made[str(folder)] = summary is not None
        log(f"{'rendered' if made[str(folder)] else 'found'} {spec.count} words in {folder}")
        for line in left_out_lines(summary or {}):
            log(f"  {line}")
    check_sets(recipe, log)
    return made


def not_rendered(recipe: Recipe) -> dict[Path, int]:
    """The sets of ``data.synth`` that are not there yet, with the number of their words."""
    specs = recipe.data.synth_specs(recipe.seed)
    return {folder: spec["count"] for folder, spec in specs.items() if not (folder / DATA_FILE).exists()}


def check_synth(recipe: Recipe) -> None:
    """Raise InputError where a set that is still to be rendered cannot be: no such fonts or words."""
    to_come = not_rendered(recipe)
    for folder, values in recipe.data.synth_specs(recipe.seed).items():
        if folder in to_come:
            with _synth_named(recipe, folder):
                check_spec(SynthSpec.from_dict(values))


@contextmanager
def _synth_named(recipe: Recipe, folder: Path) -> Iterator[None]:
    """Name the recipe and the set in what is wrong with its rendering."""
    try:
        yield
    except InputError as error:
        where = "" if str(error).startswith(str(folder)) else f"{folder}: "
        raise InputError(f"{recipe.source or 'recipe'}: data.synth: {where}{error}") from None


def check_sets(recipe: Recipe, log: Callable[[str], None] = print) -> None:
    """Open every set that the recipe names, so that a fault is told before hours of training, not after.

    Raises InputError for one that is missing, empty, damaged, or named twice where it would count twice, and
    where no word can be used.
    Words that are both trained on and measured by are told.
    """
    check_uses(recipe, named_sources(recipe), log)
    check_words(recipe)


def check_uses(
    recipe: Recipe, sources: Mapping[str, Sequence[WordSource]], log: Callable[[str], None]
) -> None:
    """Tell sets of several uses, of those that a recipe has by key; raise InputError as `check_sets`."""
    keys: dict[Path, list[str]] = {}
    for name, source in ((name, source) for name, some in sources.items() for source in some):
        # a test set may be told whole and by filters
        key = f"{name} {source.filter}" if name == "test" and source.filter else name
        for found in find_sets(source.set):
            with LmdbReader(found) as reader:
                more = reader.beyond()
            known = keys.setdefault(found.resolve(), [])
            if key in known and name != ELSEWHERE:  # each of those is told by itself
                raise InputError(f"data.{key}: the set {found} is named twice, by itself or in its folder")
            if more and not known:
                log(f"warning: {found}: {beyond_text(more, len(reader))}")
            others = [other for other in known if _kind(other) != _kind(key)]
            if others:
                both = f"data.{others[0]} and in data.{key}"
                log(f"warning: {found} is in {both}: its figures measure little")
            known.append(key)
    if recipe.data.target is not None:  # the other targets' sets are rendered too
        return
    for folder in recipe.data.synth_specs(recipe.seed):
        if (folder / DATA_FILE).exists() and folder.resolve() not in keys:
            log(f"warning: {folder} is rendered for data.synth, and no key of data names it")


def named_sources(recipe: Recipe) -> dict[str, tuple[WordSource, ...]]:
    """What a recipe names as sets, by the key below `data`."""
    data = recipe.data
    own = data.validation_of
    purposes = {"ranking": own.ranking, "alpha": own.alpha, "epochs": own.epochs}
    return {
        "train": data.train,
        "validation": data.validation,
        **{f"validation_of.{name}": sources for name, sources in purposes.items() if sources is not None},
        "test": tuple(data.test.values()),
        **({ELSEWHERE: tuple(data.elsewhere.values())} if data.elsewhere else {}),
    }


def _kind(key: str) -> str:
    """What a key's sets are for: validation sets may be the same ones."""
    return re.split("[_. ]", key)[0]
