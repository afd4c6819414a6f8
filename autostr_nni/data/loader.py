"""Batches of word images, decoded in the training process or in loader processes.

A loader process writes pixels into shared memory that it keeps, and sends their place: to receive the pixels
themselves would take the training process as long as a second loader process takes to decode them.
"""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SequentialSampler, get_worker_info

from autostr_nni.data.dataset import Batch, Filled, WordDataset
from autostr_nni.data.mixing import Mix, chain
from autostr_nni.system.errors import InputError
from autostr_nni.system.freed_memory import keep_freed_memory
from autostr_nni.system.lifeline import die_with_parent

_PREFETCH = 4  # batches of one loader process that may be waiting or in work


class EpochSampler(Sampler[int]):
    """Epochs of ``epoch_images`` samples, cut from an endless chain of seeded permutations of a set.

    What epoch e draws depends on (seed, e) alone, so a run that is continued sees the same words. Every
    sample comes once before any comes twice, whatever the length of an epoch. None is the whole set.
    With a ``mix`` of sets, each gives its share of every epoch from a chain of its own.
    """

    def __init__(
        self,
        length: int,
        epoch_images: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        mix: Mix | None = None,
    ) -> None:
        if length < 1 or (epoch_images is not None and epoch_images < 1):
            raise InputError("an epoch needs at least one image of at least one word")
        self.length, self.epoch_images, self.seed = length, epoch_images or length, seed
        self.mix = mix
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.epoch_images

    def __iter__(self) -> Iterator[int]:
        if self.mix is not None:
            yield from self.mix.draw(self.epoch_images, self.seed, self.epoch)
            return
        position = self.epoch * self.epoch_images
        yield from chain(self.length, position, self.epoch_images, self.seed).tolist()


class _Made(NamedTuple):
    """A batch whose pixels lie in the shared memory."""

    worker: int
    slot: int
    indices: list[int]
    filled: Filled


class _Fetch(Dataset[_Made]):
    """What the loader runs, in a loader process or in its own: whole batches.

    Each process has one slot more than it may have batches waiting, and takes them in turn. It is asked for
    another batch when its oldest is taken out, and for the one after when that has been copied: what it
    writes over, nobody needs.
    """

    def __init__(self, words: WordDataset, workers: int, batch: int) -> None:
        self.words, self.next = words, 0
        # Anonymous memory needs no room in /dev/shm, and nothing of it is left when a process is killed.
        shape = (max(1, workers), _PREFETCH + 1, batch, *words.image, 3)
        self.memory = np.frombuffer(mmap.mmap(-1, prod(shape)), np.uint8).reshape(shape)

    def __len__(self) -> int:
        return len(self.words)

    def __getitems__(self, indices: list[int]) -> _Made | InputError:
        info = get_worker_info()
        worker, slot = info.id if info else 0, self.next
        self.next = (slot + 1) % (_PREFETCH + 1)
        try:
            return _Made(worker, slot, indices, self.words.fill(self.memory[worker, slot], indices))
        except InputError as error:  # raised in a process, it would come back with a traceback in its text
            return error


class WordLoader(DataLoader[Batch]):
    """A ``DataLoader`` whose processes send neither pixels nor labels: who takes a batch has them."""

    def __init__(self, words: WordDataset, batches: BatchSampler, workers: int) -> None:
        self.words = words
        self.made = _Fetch(words, workers, batches.batch_size)
        super().__init__(
            self.made,  # type: ignore[arg-type]  # __iter__ makes its items into batches
            batch_sampler=batches,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,  # which shares the memory
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCH if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=partial(_start_worker, parent=os.getpid()),
            generator=torch.Generator().manual_seed(words.seed),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        made: Any
        # Pinned where a GPU is in use: work on the CPU of such a machine must not take up memory of it.
        in_use = bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
        for made in super().__iter__():
            if isinstance(made, InputError):
                raise made
            pixels = torch.from_numpy(self.made.memory[made.worker, made.slot, : len(made.indices)])
            copy = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=in_use)
            yield self.words.assemble(copy.copy_(pixels), made.indices, made.filled)


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


def _as_it_is(done: Any) -> Any:
    return done


def _start_worker(_: int, parent: int) -> None:
    """Seed what a worker may draw from, differently in each; keep it to one thread and its parent's life."""
    die_with_parent(parent)
    keep_freed_memory()  # every image is decoded into memory of another size
    info = get_worker_info()
    assert info is not None
    random.seed(info.seed)
    np.random.seed(info.seed % 2**32)
    torch.set_num_threads(1)
