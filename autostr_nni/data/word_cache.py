"""The words of a data set that were decoded before, wherever in memory they are. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.shared_words import KeptSet, current


class KeptWords:
    """Decoded words of several sets at one size; of none where this process keeps none (``decoded``).

    A set that was changed since ``versions`` were taken gives and takes nothing.
    """

    def __init__(
        self, readers: Sequence[LmdbReader], versions: Sequence[tuple[int, ...]], image: tuple[int, int]
    ) -> None:
        self.readers, self.versions, self.image = readers, versions, image
        self._memory = current()
        self._sets: dict[int, KeptSet | None] = {}  # each process finds its own way to them

    def __bool__(self) -> bool:
        """Whether there is any use in asking."""
        return self._memory is not None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_sets": {}}

    def copy(self, sets: np.ndarray, samples: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Put words, by the numbers of their set (from 0) and sample (from 1), into their places in ``out``.

        Returns a mask of the words that were there. The other places are junk.
        """
        there = np.zeros(len(sets), np.bool_)
        for number in set(sets.tolist()):
            kept = self._set(number)
            if kept is None or self.readers[number].version() != self.versions[number]:
                continue
            if len(self.readers) == 1:
                return kept.copy(samples, out)
            (places,) = np.nonzero(sets == number)
            found = np.empty((len(places), *self.image, 3), np.uint8)
            there[places] = kept.copy(samples[places], found)
            out[places] = found
        return there

    def keep(self, number: int, sample: int, pixels: np.ndarray) -> None:
        """Keep one word, if its set is kept."""
        kept = self._set(number)
        if kept is not None:
            kept.keep(sample, pixels)

    def _set(self, number: int) -> KeptSet | None:
        if number not in self._sets and self._memory is not None:
            reader = self.readers[number]
            key = f"{reader.folder} {self.versions[number]}"
            self._sets[number] = self._memory.set_of(key, len(reader), self.image)
        return self._sets.get(number)
