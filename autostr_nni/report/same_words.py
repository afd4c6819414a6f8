"""Whether two searches had the same words, wherever their sets lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.data.sets.folders import find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.report.reading.history import checked_recipe
from autostr_nni.system.errors import InputError

MOST = 20_000  # words of a set that are looked at, evenly spread: a set may hold millions
_AT_ONCE = 500


class Words:
    """Compares the sets of recipes' plain values; what was read of a folder is kept."""

    def __init__(self) -> None:
        self._digests: dict[str, str | None] = {}

    def same(self, one: Mapping[str, Any], other: Mapping[str, Any], section: str) -> bool:
        """Whether ``data.<section>`` (train, validation_of.alpha …) has the same words in both, in order.

        Two rendered sets are the same where they are rendered alike; others where they lie at the same
        place, or their count, and up to `MOST` of their labels and images, are the same. Sets that are not
        on this machine are others.
        """
        first, second = _sets(one, section), _sets(other, section)
        return len(first) == len(second) and all(map(self._alike, first, second))

    def same_test(self, one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool | None:
        """Whether the test set of a name has the same words in both; None where that cannot be looked at."""
        sets = (_told(recipe["data"]["test"][name], _specs(recipe)) for recipe in (one, other))
        return self._alike(*sets)

    def _alike(self, one: tuple[str, Any, Any], other: tuple[str, Any, Any]) -> bool | None:
        if one[2] != other[2]:
            return False
        if one[1] is not None and other[1] is not None:
            return bool(one[1] == other[1])
        if one[0] == other[0]:
            return True
        digests = self._digest(one[0]), self._digest(other[0])
        return None if None in digests else digests[0] == digests[1]

    def _digest(self, folder: str) -> str | None:
        if folder not in self._digests:
            self._digests[folder] = content_digest(Path(folder))
        return self._digests[folder]


def content_digest(folder: Path) -> str | None:
    """A hash of what the sets below a folder hold; None where they cannot be read."""
    found = hashlib.sha256()
    try:
        for place in find_sets(folder):
            with LmdbReader(place) as reader:
                count = len(reader)
                found.update(b"%d words;" % count)
                step = max(1, -(-count // MOST))
                numbers = list(range(1, count + 1, step))
                for start in range(0, len(numbers), _AT_ONCE):
                    for image, label in reader.samples(numbers[start : start + _AT_ONCE]):
                        for part in (label or b"", image or b""):
                            found.update(b"%d:" % len(part) + part)
    except (InputError, OSError):
        return None
    return found.hexdigest()


def _sets(recipe: Mapping[str, Any], section: str) -> list[tuple[str, Any, Any]]:
    """Folder; where it is rendered, how: with the seed and the lengths that follow from the recipe; and what
    else is told of it, such as its weight."""
    named: Any = recipe.get("data")
    for key in section.split("."):
        named = named.get(key) if isinstance(named, Mapping) else None
    specs = _specs(recipe)
    return [_told(entry, specs) for entry in (named if isinstance(named, list) else [])]


def _specs(recipe: Mapping[str, Any]) -> Mapping[Path, Any]:
    """How sets are rendered, by their folder."""
    checked = checked_recipe(recipe)
    return {} if checked is None else checked.data.synth_specs(checked.seed)


def _told(entry: Any, specs: Mapping[Path, Any]) -> tuple[str, Any, Any]:
    """One entry, as of `_sets`."""
    about = dict(entry) if isinstance(entry, Mapping) else {"set": entry}
    folder = str(about.pop("set", None))
    return folder, specs.get(Path(folder)), about
