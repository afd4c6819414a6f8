"""Whether sets hold a word that a recipe can use: told before a search, not by every trial or at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from autostr_nni.data.charset import Charset
from autostr_nni.data.labels import label_cause
from autostr_nni.data.sets.folders import find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.recipe import Recipe
from autostr_nni.system.errors import InputError

#: Longest word read in an evaluation, whatever the recipe trained on, so that scores cover whole sets.
EVALUATED_LENGTH = 25


def check_words(recipe: Recipe) -> None:
    """Raise InputError for sets of which no label can be used: they are read up to the first that can."""
    data, short = recipe.data, recipe.training.short_words
    limit = "data.max_length"
    wanted = [("data.train", data.train, data.max_length, limit)]
    if short.epochs:
        few = "training.short_words.max_length"
        wanted.append(("data.train", data.train, min(short.max_length, data.max_length), few))
    wanted.append(("data.validation", data.validation, data.max_length, limit))
    longest = max(data.max_length, EVALUATED_LENGTH)
    wanted += [(f"data.test: {name}", (root,), longest, limit) for name, root in data.test.items()]
    charset = Charset.named(data.charset)
    for key, roots, length, limit in wanted:
        causes = _unusable(roots, charset, length)
        if causes is not None:
            counted = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
            raise InputError(
                f"{key}: no usable word in {', '.join(map(str, roots))}: {counted or 'no word at all'}; "
                f"check data.charset and {limit}"
            )


def _unusable(roots: Iterable[Path], charset: Charset, longest: int) -> Counter[str] | None:
    """Why labels cannot be used, by cause; None where one can."""
    causes: Counter[str] = Counter()
    for root in roots:
        for folder in find_sets(root):
            with closing(LmdbReader(folder)) as reader, closing(reader.labels()) as labels:
                for _, raw in labels:
                    cause = label_cause(raw, charset, longest)[0]
                    if not cause:
                        return None
                    causes[cause] += 1
    return causes
