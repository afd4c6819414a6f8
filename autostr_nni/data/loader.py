"""Batches of word images, decoded in the training process or in loader processes.

A loader process writes its pixels into a ring of shared batches and sends the place, labels and counts
alone, so no memory is made, mapped or given away per batch.
"""

from __future__ import annotations

import mmap
import multiprocessing
import random
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SequentialSampler, get_worker_info

from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.search_spaces.errors import InputError

_PREFETCH = 4  # batches of one loader process that may be waiting or in work


class EpochSampler(Sampler[int]):
    """Epochs of ``epoch_images`` samples, cut from an endless chain of seeded permutations of a set.

    What epoch e draws depends on (seed, e) alone, so a run that is continued sees the same words. Every
    sample comes once before any comes twice, whatever the length of an epoch. None is the whole set.
    """

    def __init__(self, length: int, epoch_images: int | None = None, seed: int = 0, epoch: int = 0) -> None:
        if length < 1 or (epoch_images is not None and epoch_images < 1):
            raise InputError("an epoch needs at least one image of at least one word")
        self.length, self.epoch_images, self.seed = length, epoch_images or length, seed
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.epoch_images

    def __iter__(self) -> Iterator[int]:
        position = self.epoch * self.epoch_images
        end = position + self.epoch_images
        while position < end:
            turn, start = divmod(position, self.length)
            order = np.random.default_rng([self.seed, turn]).permutation(self.length)
            part = order[start : start + end - position]
            yield from part.tolist()
            position += len(part)


class _Task(NamedTuple):
    """What is asked of a loader process: words, and the shared batch that takes their pixels."""

    slot: int
    indices: list[int]


class _Tasks(BatchSampler):
    """Batches of indices that take the places of the ring in turn."""

    def __init__(self, batches: BatchSampler, slots: int) -> None:
        super().__init__(batches.sampler, batches.batch_size, batches.drop_last)
        self.batches, self.slots = batches, slots

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[_Task]:  # type: ignore[override]
        for number, indices in enumerate(self.batches):
            yield _Task(number % self.slots, indices)


class _Filled(NamedTuple):
    """A batch on its way between processes: its images lie in the ring."""

    slot: int
    batch: Batch  # without images; other tensors as arrays, which are sent as they are


class _Fetch(Dataset[Batch]):
    """What the loader runs, in a loader process or in its own."""

    def __init__(self, words: WordDataset, ring: torch.Tensor | None) -> None:
        self.words, self.ring = words, ring

    def __len__(self) -> int:
        return len(self.words)

    def __getitems__(self, task: _Task) -> Batch | _Filled:
        if self.ring is None:
            return self.words.batch(task.indices)
        found = self.words.batch(task.indices, self.ring[task.slot].numpy())
        arrays = {"images": None, "targets": found.targets.numpy(), "lengths": found.lengths.numpy()}
        return _Filled(task.slot, found._replace(**arrays))


class WordLoader(DataLoader[Batch]):
    """A ``DataLoader`` of batches that belong to whoever takes them."""

    def __init__(self, words: WordDataset, batches: BatchSampler, workers: int) -> None:
        # While the k-th batch is taken out, the one `waiting` places later is already being written.
        waiting = workers * _PREFETCH
        self.words = words
        self.ring = shared_bytes((waiting + 1, batches.batch_size, *words.image, 3)) if workers else None
        super().__init__(
            _Fetch(words, self.ring),
            batch_sampler=_Tasks(batches, waiting + 1),
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCH if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_start_worker,
            generator=torch.Generator().manual_seed(words.seed),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        return map(self._take, super().__iter__())

    def _take(self, found: Batch | _Filled) -> Batch:
        """The batch with images of its own: they are copied before the ring comes round."""
        if isinstance(found, Batch):
            return found
        batch = found.batch
        assert self.ring is not None
        written = self.ring[found.slot, : len(batch.texts)]
        images = torch.empty(written.shape, dtype=torch.uint8, pin_memory=torch.cuda.is_available())
        targets, lengths = torch.from_numpy(batch.targets), torch.from_numpy(batch.lengths)
        images = images.copy_(written).permute(0, 3, 1, 2)
        return batch._replace(images=images, targets=targets, lengths=lengths)


def make_loader(
    dataset: WordDataset,
    batch_size: int = 1,
    workers: int = 0,
    sampler: Sampler[int] | None = None,
    drop_last: bool = False,
    batches: BatchSampler | None = None,
) -> DataLoader[Batch]:
    """Batches of a set, in the sampler's order or, without one, in the set's own.

    ``batches`` gives the indices of every batch, in place of size, order and end. The batches are the same
    for any number of workers, which live as long as the loader. The global random state is neither read nor
    moved.
    """
    if batches is None:
        batches = BatchSampler(sampler or SequentialSampler(dataset), batch_size, drop_last)
    return WordLoader(dataset, batches, workers)


def shared_bytes(shape: tuple[int, ...]) -> torch.Tensor:
    """A uint8 tensor that processes started from here share.

    Where they are forked it is anonymous memory: it needs no room in /dev/shm, and none is left behind
    when a process is killed.
    """
    method = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    if method == "fork":
        return torch.frombuffer(mmap.mmap(-1, prod(shape)), dtype=torch.uint8).view(shape)
    return torch.empty(shape, dtype=torch.uint8).share_memory_()


def _as_it_is(found: Batch | _Filled) -> Batch | _Filled:
    return found


def _start_worker(_: int) -> None:
    """Seed what a worker may draw from, differently in each, and keep it to one thread."""
    info = get_worker_info()
    assert info is not None
    random.seed(info.seed)
    np.random.seed(info.seed % 2**32)
    torch.set_num_threads(1)
