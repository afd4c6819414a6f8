"""Whether sets hold a word that a recipe can use: told before a search, not by every trial or at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing

from autostr_nni.data.charset import Charset
from autostr_nni.data.labels import label_cause
from autostr_nni.data.sets.folders import find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.words.sources import WordSource
from autostr_nni.system.errors import InputError

#: Longest word read in an evaluation, whatever the recipe trained on, so that scores cover whole sets.
EVALUATED_LENGTH = 25
#: What the test sets of other targets are called beside the keys of `data`.
ELSEWHERE = "test of other targets"


def check_words(recipe: Recipe) -> None:
    """Raise InputError for sets of which no label can be used: they are read up to the first that can."""
    data, short = recipe.data, recipe.training.short_words
    limit = "data.max_length"
    wanted = [("data.train", roots, data.max_length, limit) for roots in _each_by_itself(data.train)]
    if short.epochs:
        few, longest = "training.short_words.max_length", min(short.max_length, data.max_length)
        wanted += [("data.train", roots, longest, few) for roots in _each_by_itself(data.train)]
    own = data.validation_of
    purposes = {"ranking": own.ranking, "alpha": own.alpha, "epochs": own.epochs}
    validation = {
        "data.validation": data.validation,
        **{f"data.validation_of.{name}": found for name, found in purposes.items() if found is not None},
    }
    for key, sources in validation.items():
        wanted += [(key, roots, data.max_length, limit) for roots in _each_by_itself(sources)]
    everything = {"data.train": data.train, **validation}
    for step, read_by in {"path": ("ranking",), "operators": ("alpha", "")}.items():
        most: int | None = getattr(recipe.search, step).max_length
        if most is None:
            continue
        named = (f"data.validation_of.{name}" for name in read_by)
        keys = ["data.train", *dict.fromkeys(k if k in validation else "data.validation" for k in named)]
        few, longest = f"search.{step}.max_length", min(most, data.max_length)
        wanted += [(key, roots, longest, few) for key in keys for roots in _each_by_itself(everything[key])]
    longest = max(data.max_length, EVALUATED_LENGTH)
    tests = {"test": data.test, ELSEWHERE: data.elsewhere}
    wanted += [
        (f"data.{key}: {name}", [root], longest, limit)
        for key, sets in tests.items()
        for name, root in sets.items()
    ]
    charset = Charset.named(data.charset)
    for key, roots, length, limit in wanted:
        causes = _unusable(
            roots, charset, length, None if key.startswith("data.test") else recipe.model.ctc_steps
        )
        if causes is not None:
            counted = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
            where = ", ".join(str(root.set) for root in roots)
            raise InputError(
                f"{key}: no usable word in {where}: {counted or 'no word at all'}; "
                f"check data.charset and {limit}"
            )


def _each_by_itself(sources: Sequence[WordSource]) -> list[Sequence[WordSource]]:
    """Sources that must have a word each, as those with weights; else all as one."""
    weighted = [source for source in sources if source.weight]
    return [[source] for source in weighted] or [sources]


def _unusable(
    sources: Iterable[WordSource], charset: Charset, longest: int, steps: int | None
) -> Counter[str] | None:
    """Why labels cannot be used, by cause; None where one can."""
    causes: Counter[str] = Counter()
    for source in sources:
        for folder in find_sets(source.set):
            with closing(LmdbReader(folder)) as reader, closing(reader.labels()) as labels:
                for _, raw in labels:
                    cause = label_cause(raw, charset, longest, source.filter, steps)[0]
                    if not cause:
                        return None
                    causes[cause] += 1
    return causes
