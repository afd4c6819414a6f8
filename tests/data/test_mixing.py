"""Sets in given shares: exact in every epoch, and the same words whoever loads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.loader import EpochSampler
from autostr_nni.data.mixing import Mix, chain
from autostr_nni.recipe.words.sources import WordSource, shares, sources_of
from autostr_nni.system.errors import InputError
from autostr_nni.training.batches import joint_loader
from autostr_nni.training.distributed.group import Team

PRINTABLE = Charset.named("printable")
WEIGHTS = (0.5, 0.3, 0.2)


@pytest.fixture
def mixed(word_set) -> Iterator[WordDataset]:
    """Three sets of 40, 7 and 25 words, whose first letters tell them apart."""
    sources = []
    for letter, count, weight in zip("abc", (40, 7, 25), WEIGHTS, strict=True):
        folder = word_set([f"{letter}{number}" for number in range(count)], name=letter)
        sources.append(WordSource(set=folder, weight=weight))
    dataset = WordDataset(sources, PRINTABLE, 25, (4, 8), seed=3)
    yield dataset
    dataset.close()


def words(dataset: WordDataset, epoch: int, size: int, workers: int, first: int = 0) -> list[list[str]]:
    """The words of every batch of an epoch, as the processes of a team take them together."""
    loaders = []
    for rank in range(size):
        sampler = EpochSampler(len(dataset), 30, dataset.seed, epoch, dataset.mix)
        loaders.append(joint_loader(dataset, 8, workers, Team(rank, size), sampler, first))
    return [sorted(text for batch in parts for text in batch.texts) for parts in zip(*loaders, strict=True)]


def test_shares_are_exact_in_every_epoch_whoever_loads(mixed: WordDataset) -> None:
    alone = [words(mixed, epoch, 1, 0) for epoch in range(10)]
    for batches in alone:
        assert Counter(text[0] for batch in batches for text in batch) == {"a": 15, "b": 9, "c": 6}
    assert alone[0] != alone[1]
    for size, workers in ((1, 1), (1, 2), (1, 4), (2, 0), (2, 1)):
        epochs = range(10) if workers < 2 else (0, 9)
        assert [words(mixed, epoch, size, workers) for epoch in epochs] == [alone[epoch] for epoch in epochs]
    assert words(mixed, 4, 1, 0, first=2) == alone[4][2:]


def test_every_word_of_a_set_comes_once_before_any_comes_twice(mixed: WordDataset) -> None:
    drawn = [mixed.text(index) for epoch in range(8) for index in EpochSampler(72, 20, 1, epoch, mixed.mix)]
    for letter, size in (("a", 40), ("b", 7), ("c", 25)):
        counts = Counter(text for text in drawn if text[0] == letter)
        assert max(counts.values()) - min(counts.values() if len(counts) == size else [0]) <= 1
        assert sum(counts.values()) == 160 * WEIGHTS["abc".index(letter)]


def test_without_weights_the_order_is_what_it_was() -> None:
    """The numbers of version 0.2.0, where orders were made without a mix."""
    order = [*np.random.default_rng([5, 0]).permutation(10), *np.random.default_rng([5, 1]).permutation(10)]
    assert list(EpochSampler(10, 7, 5, 1)) == order[7:14] and chain(10, 7, 7, 5).tolist() == order[7:14]


@pytest.mark.parametrize(
    ("weights", "total", "expected"),
    [
        ((1, 1, 1), 10, [4, 3, 3]),
        ((0.5, 0.3, 0.2), 30, [15, 9, 6]),
        ((0.1, 0.2, 0.7), 10, [1, 2, 7]),
        ((0.15, 0.25, 0.6), 10, [2, 2, 6]),
        ((2, 98), 10, [0, 10]),
        ((0.7, 0.2, 0.1), 100_000_007, [70_000_005, 20_000_001, 10_000_001]),
    ],
)
def test_largest_remainder(weights, total: int, expected: list[int]) -> None:
    assert shares(weights, total) == expected


def test_a_validation_set_keeps_its_shares_without_a_word_twice(word_set) -> None:
    """43 words do not drown 6: each weighs what it is given, and every word is read once."""
    large = WordSource(set=word_set([f"l{i}" for i in range(43)], name="large"), weight=0.5)
    small = WordSource(set=word_set([f"s{i}" for i in range(6)], name="small"), weight=0.5)

    def kept(limit: int | None = None, seed: int = 0) -> list[str]:
        with closing(WordDataset([large, small], PRINTABLE, 25, (4, 8), limit, seed, once=True)) as dataset:
            assert "; 36 left out to keep the shares" in dataset.report()
            assert (f"; {13 - len(dataset)} more than the limit" in dataset.report()) is (limit is not None)
            return [dataset.text(index) for index in range(len(dataset))]

    whole, few = kept(), kept(7)
    assert Counter(text[0] for text in whole) == {"l": 7, "s": 6}  # no more than half of 13 can be small
    assert len(set(whole)) == 13
    assert Counter(text[0] for text in few) == {"l": 4, "s": 3}
    assert kept(7) == few != kept(7, seed=1)


def test_what_cannot_be_mixed(word_set, mixed: WordDataset) -> None:
    with pytest.raises(InputError, match=r"b: a weight of 0.001 is not one image of 100: write a larger"):
        Mix(("a", "b"), (5, 5), (1.0, 0.001)).counts(100)
    odd = WordSource(set=word_set(["ÄÖ"], name="odd"), weight=0.5)
    fine = WordSource(set=word_set(["fine"], name="fine"), weight=0.5)
    with pytest.raises(InputError, match=r"no usable word in .*odd, which has a weight of 0.5"):
        WordDataset([fine, odd], PRINTABLE, 25)
    nothing = WordSource(set=odd.set, weight=0.0)
    assert [source.set for source in sources_of([fine, nothing])] == [fine.set]
    assert len(WordDataset([fine, nothing], PRINTABLE, 25)) == 1  # it is not even opened
    assert mixed.mix is not None
    assert "15 of" in mixed.mix.told(30) and "(7 words, each 1.3 times)" in mixed.mix.told(30)
