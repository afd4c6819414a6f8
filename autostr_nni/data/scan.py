"""The labels of sets, read once: which words can be used, and what is left out, by cause."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autostr_nni.data.charset import Charset
from autostr_nni.data.labels import Labels, label_cause
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.recipe.words.sources import FilterName


@dataclass
class Scan:
    """The usable words of sets, in order: the number of each one's set, its sample there, its label."""

    labels: Labels = field(default_factory=Labels)
    sets: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    skipped: Counter[str] = field(default_factory=Counter)  #: words left out, by cause
    trimmed: int = 0  #: labels that lost characters outside the charset
    folded: int = 0  #: labels read in the charset's case

    def add(
        self, raw: bytes, charset: Charset, max_length: int, only: FilterName | None, steps: int | None
    ) -> bool:
        """Take a label, or count why it cannot be used; whether it can."""
        cause, removed = label_cause(raw, charset, max_length, only, steps)
        if cause:
            self.skipped[cause] += 1
            return False
        self.trimmed += bool(removed)
        self.folded += charset.folds(raw)
        self.labels.append(raw)
        return True


def scan(
    readers: Sequence[LmdbReader],
    filters: Sequence[FilterName | None],
    charset: Charset,
    max_length: int,
    steps: int | None = None,
) -> Scan:
    """Read all labels of the sets, each with its filter; they are closed again, for workers to open."""
    found = Scan()
    sets, samples = [found.sets], [found.samples]
    for number, (reader, only) in enumerate(zip(readers, filters, strict=True)):
        count, usable = 0, array("i")
        for sample, raw in reader.labels():
            count += 1
            if found.add(raw, charset, max_length, only, steps):
                usable.append(sample)
        found.skipped["missing"] += len(reader) - count
        samples.append(np.array(usable, dtype=np.int32))
        sets.append(np.full(len(usable), number, dtype=np.int16))
        reader.close()
    found.skipped = +found.skipped
    found.sets, found.samples = np.concatenate(sets), np.concatenate(samples)
    return found
