"""A closer look at what was read: scores by the length of words, and the most confident wrong words."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.reading.evaluation import Reader
from autostr_nni.reading.metrics import Scores, comparable, score


@dataclass(frozen=True)
class Mistake:
    """A word that was read wrong, by what of it is compared."""

    set: str
    text: str
    truth: str
    confidence: float
    image: bytes | None  #: the encoded image, as the set holds it


def by_length(pairs: Iterable[tuple[str, str]], charset: Charset) -> dict[int, Scores]:
    """Scores of (prediction, truth) pairs by how many characters of the truth are compared, from 1."""
    groups: dict[int, list[tuple[str, str]]] = {}
    for pair in pairs:
        groups.setdefault(len(comparable(pair[1], charset)), []).append(pair)
    groups.pop(0, None)  # nothing is compared there
    return {length: score(groups[length], charset) for length in sorted(groups)}


def worst(name: str, dataset: WordDataset, reader: Reader, count: int) -> list[Mistake]:
    """The ``count`` wrong words of a set that the recognizer was surest of, surest first."""
    charset = dataset.charset
    wrong = [
        (confidence, -place)
        for place, ((text, truth), confidence) in enumerate(
            zip(reader.pairs, reader.confidences, strict=True)
        )
        if comparable(truth, charset) not in ("", comparable(text, charset))
    ]
    kept = heapq.nlargest(count, wrong)
    indices = dict(_indices(dataset, reader.batches, {-place for _, place in kept}))
    found = []
    for confidence, place in kept:
        text, truth = reader.pairs[-place]
        found.append(Mistake(name, text, truth, confidence, dataset.encoded(indices[-place])))
    return found


def _indices(
    dataset: WordDataset, batches: Iterable[tuple[int, int]], wanted: set[int]
) -> Iterator[tuple[int, int]]:
    """(place among the words read, index in the set) of the wanted places.

    They differ by the images that could not be decoded; which those were is found by decoding again, in the
    few batches that had any.
    """
    place = index = 0
    for read, dropped in batches:
        here = wanted & set(range(place, place + read))
        if here and dropped:
            good = [i for i in range(index, index + read + dropped) if dataset[i] is not None]
            yield from ((p, good[p - place]) for p in here)
        else:
            yield from ((p, index + p - place) for p in here)
        place, index = place + read, index + read + dropped
