from __future__ import annotations

import time

import pytest
import torch
from torch.utils.data import BatchSampler

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.loader import EpochSampler, make_loader
from autostr_nni.system.errors import InputError

PRINTABLE = Charset.named("printable")


@pytest.mark.parametrize("workers", [0, 2])
def test_loader(word_set, workers: int) -> None:
    dataset = WordDataset(word_set([str(i) for i in range(20)]), PRINTABLE, 25, (8, 16))
    assert dataset[0] is not None  # open in this process too
    sampler = EpochSampler(len(dataset), 12, seed=3)
    loader = make_loader(dataset, 5, workers, sampler)
    state = torch.random.get_rng_state()
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        batches = list(loader)
        expected = [dataset.text(i) for i in EpochSampler(20, 12, 3, epoch)]
        assert [text for batch in batches for text in batch.texts] == expected
        assert [len(batch.texts) for batch in batches] == [5, 5, 2]
        # Shades follow the words: the right image came with each.
        for batch in batches:
            shades = batch.images.float().mean(dim=(1, 2, 3)).round()
            assert (shades - torch.tensor([float(text) for text in batch.texts])).abs().max() <= 2
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_belong_to_whoever_takes_them(word_set, workers: int) -> None:
    """Memory is used again only when nobody holds it: not for batches that are kept, nor parts of them."""
    dataset = WordDataset(word_set([str(i) for i in range(120)]), PRINTABLE, 25, (8, 16))
    loader = make_loader(dataset, 4, workers)
    kept = list(loader)
    parts = [batch.images[1:2, :, ::2].numpy() for batch in loader]  # the batches themselves are gone
    stopped = iter(loader)
    first = next(stopped).images
    again = list(loader)  # after an epoch that was left
    assert [text for batch in kept for text in batch.texts] == [str(i) for i in range(120)]
    for number, batch in enumerate(kept):
        alone = torch.stack([dataset[4 * number + i][0] for i in range(4)])
        assert torch.equal(batch.images, alone) and torch.equal(again[number].images, alone)
        assert torch.equal(torch.from_numpy(parts[number]), alone[1:2, :, ::2])
    assert torch.equal(first, kept[0].images)
    assert kept[0].images.is_contiguous(memory_format=torch.channels_last)


def test_given_batches(word_set) -> None:
    dataset = WordDataset(word_set(list("abcdefg")), PRINTABLE, 25, (8, 16))

    class Every(BatchSampler):
        def __iter__(self):
            yield from ([5, 1], [], [3])

    order = Every(range(7), 2, False)
    assert [batch.texts for batch in make_loader(dataset, batches=order)] == [["f", "b"], [], ["d"]]


def test_loader_without_a_sampler_keeps_the_order(word_set) -> None:
    dataset = WordDataset(word_set(list("abcde")), PRINTABLE, 25, (8, 16))
    assert [text for batch in make_loader(dataset, 2) for text in batch.texts] == list("abcde")
    assert len(list(make_loader(dataset, 2, drop_last=True))) == 2


class TestEpochSampler:
    def test_epochs_are_cut_from_one_chain(self) -> None:
        chain = [i for epoch in range(10) for i in EpochSampler(10, 7, 5, epoch)]
        assert len(chain) == 70
        for start in range(0, 70, 10):  # every permutation is whole
            assert sorted(chain[start : start + 10]) == list(range(10))
        assert chain[:10] != chain[10:20]
        longer = [i for epoch in range(2) for i in EpochSampler(10, 35, 5, epoch)]
        assert longer == chain

    def test_stateless(self) -> None:
        sampler = EpochSampler(100, 30, 1)
        first = list(sampler)
        assert list(sampler) == first
        sampler.set_epoch(3)
        assert list(sampler) == list(EpochSampler(100, 30, 1, 3)) != first
        assert first != list(EpochSampler(100, 30, 2))

    def test_whole_set_by_default(self) -> None:
        sampler = EpochSampler(9)
        assert len(sampler) == 9
        assert sorted(sampler) == list(range(9))

    def test_bad_sizes(self) -> None:
        with pytest.raises(InputError):
            EpochSampler(0)
        with pytest.raises(InputError):
            EpochSampler(5, 0)


@pytest.mark.slow("processes with more to tell are waited for")
def test_an_error_in_a_loader_process_is_told(word_set) -> None:
    """Though it is long, and comes from each of many batches."""
    dataset = WordDataset(word_set(list("abcdefgh")), PRINTABLE, 5, (8, 16))

    def fill(pixels, indices):
        raise InputError("x" * 50_000)

    dataset.fill = fill  # type: ignore[method-assign]
    with pytest.raises(InputError, match="^x{50000}$"):  # the sentence alone, and no traceback
        list(make_loader(dataset, 1, workers=2))


def test_batches_of_many_words(word_set) -> None:
    """What they are is more than a pipe takes at once."""
    dataset = WordDataset(word_set(list("ab")), PRINTABLE, 5, (1, 1))
    batches = [[0, 1] * 2500 for _ in range(6)]

    class Large(BatchSampler):
        def __iter__(self):
            yield from batches

    order = Large(range(2), 5000, False)
    assert [len(batch.texts) for batch in make_loader(dataset, batches=order, workers=1)] == [5000] * 6


def test_an_epoch_that_is_left_early_spoils_nothing(word_set) -> None:
    """What the processes had written ahead is dropped, and batches that are kept keep their pixels."""
    dataset = WordDataset(word_set([str(i) for i in range(40)]), PRINTABLE, 25, (8, 16))
    alone = {dataset.text(i): dataset.batch([i]).images[0] for i in range(40)}
    loader = make_loader(dataset, 3, workers=2)
    left = [batch for batch, _ in zip(loader, range(5), strict=False)]
    for batch in left + list(loader):
        for text, image in zip(batch.texts, batch.images, strict=True):
            assert torch.equal(image, alone[text])


def test_a_process_that_lags_behind(word_set) -> None:
    """The order stays, in this epoch and in the next."""
    dataset = WordDataset(word_set([str(i) for i in range(60)]), PRINTABLE, 25, (8, 16))
    fill = dataset.fill

    def slow(pixels, indices):
        if 0 in indices:
            time.sleep(0.5)
        return fill(pixels, indices)

    dataset.fill = slow  # type: ignore[method-assign]
    loader = make_loader(dataset, 2, workers=2)
    for _ in range(2):
        batches = list(loader)
        assert [text for batch in batches for text in batch.texts] == [str(i) for i in range(60)]
        for number, batch in enumerate(batches):
            assert batch.images.float().mean(dim=(1, 2, 3)).round().tolist() == [2 * number, 2 * number + 1]
