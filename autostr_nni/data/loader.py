"""Batches of word images, decoded in the training process or in loader processes.

A loader process reads the numbers of its words from a ring of shared batches, writes their pixels there and
sends the place alone, so no memory is made, mapped or given away per batch. Whichever is free takes the next
batch, and they are put in order afterwards.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import random
import time
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SequentialSampler, get_worker_info

from autostr_nni.data.dataset import Batch, Filled, WordDataset
from autostr_nni.data.pipes import pipe_context
from autostr_nni.system.errors import InputError
from autostr_nni.system.freed_memory import keep_freed_memory
from autostr_nni.system.lifeline import die_with_parent

_PREFETCH = 4  # batches of one loader process that may be waiting or in work
_AHEAD = 4  # batches for each loader process that may be made before it is their turn
_REST = 1e-3  # seconds that a process rests where nothing more may be begun
_HELD = 3  # batches that the training may hold at a time without their being copied


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
    """What is asked of a loader process: the words in a slot of the ring, which takes their pixels."""

    number: int  #: of the batch, counted from 0
    slot: int
    words: int


class _Done(NamedTuple):
    """What comes back: the pixels lie in the ring."""

    number: int
    slot: int
    filled: Filled


class Ring:
    """Shared memory for batches on their way; a slot serves again when nobody holds its images any more."""

    def __init__(self, slots: int, shape: tuple[int, ...]) -> None:
        self.slots, self.memory = slots, shared_bytes((slots, *shape))
        self.words = shared_bytes((slots, shape[0] * 8)).view(torch.int64)  # indices that were asked for
        self.pixels = list(self.memory.numpy())
        self.pinned = torch.cuda.is_available()
        self.held: set[int] = set()  # slots whose images somebody has
        self.asked = list(self.words.numpy())
        self.counts = [0] * slots
        self.free = list(range(slots))

    def restart(self) -> None:
        """Forget what was asked for and never taken out."""
        self.free = [slot for slot in range(self.slots) if slot not in self.held]

    def ask(self, number: int, indices: list[int]) -> _Task:
        """Give the words of a batch a free slot."""
        slot, count = self.free.pop(), len(indices)
        self.asked[slot][:count] = indices
        self.counts[slot] = count
        return _Task(number, slot, count)

    def take_out(self, slot: int) -> torch.Tensor:
        """The images of a slot: uint8 [batch, height, width, 3].

        They are the ring's own memory, or a copy where that would leave too few slots to go on with.
        """
        if len(self.held) >= _HELD or self.pinned:
            pixels = self.memory[slot]
            copy = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=self.pinned)
            self.free.append(slot)
            return copy.copy_(pixels)
        array = self.pixels[slot].view()  # every tensor that shares its memory keeps this object alive
        self.held.add(slot)
        weakref.finalize(array, self._give_back, slot).atexit = False
        return torch.from_numpy(array)

    def _give_back(self, slot: int) -> None:
        self.held.discard(slot)
        self.free.append(slot)  # the next to be used: it is still in the processor's cache


class _Tasks(BatchSampler):
    """Batches of indices, each with a free place in the ring."""

    def __init__(self, batches: BatchSampler, ring: Ring) -> None:
        super().__init__(batches.sampler, batches.batch_size, batches.drop_last)
        self.batches, self.ring = batches, ring

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[_Task | None]:  # type: ignore[override]
        # This runs when the loader asks for the first batch: no process is writing any more.
        self.ring.restart()
        for number, indices in enumerate(self.batches):
            while not self.ring.free:
                yield None  # one process lags behind: the others are not to run away from it
            yield self.ring.ask(number, indices)


class _Fetch(Dataset[_Done]):
    """What the loader runs, in a loader process or in its own."""

    def __init__(self, words: WordDataset, ring: Ring) -> None:
        self.words, self.memory, self.indices = words, ring.memory, ring.words

    def __len__(self) -> int:
        return len(self.words)

    def __getitems__(self, task: _Task | None) -> _Done | None:
        if task is None:
            time.sleep(_REST)
            return None
        indices = self.indices[task.slot].numpy()[: task.words]
        return _Done(task.number, task.slot, self.words.fill(self.memory[task.slot].numpy(), indices))


class WordLoader(DataLoader[Batch]):
    """A ``DataLoader`` of batches that belong to whoever takes them."""

    def __init__(self, words: WordDataset, batches: BatchSampler, workers: int) -> None:
        self.words = words
        self.ring = Ring(workers * (_PREFETCH + _AHEAD) + _HELD + 1, (batches.batch_size, *words.image, 3))
        super().__init__(
            _Fetch(words, self.ring),  # type: ignore[arg-type]  # _take makes its items into batches
            batch_sampler=_Tasks(batches, self.ring),
            num_workers=workers,
            multiprocessing_context=pipe_context() if workers else None,
            in_order=False,  # the next batch goes to whichever process is free
            persistent_workers=workers > 0,
            prefetch_factor=_PREFETCH if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=partial(_start_worker, parent=os.getpid()),
            generator=torch.Generator().manual_seed(words.seed),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        return self._in_turn(super().__iter__())

    def _in_turn(self, finished: Iterable[Any]) -> Iterator[Batch]:
        """Batches as their numbers follow: whichever loader process was free had made the next one."""
        waiting: dict[int, _Done] = {}
        turn = 0
        for done in finished:
            if done is not None:
                waiting[done.number] = done
            while turn in waiting:
                yield self._take(waiting.pop(turn))
                turn += 1

    def _take(self, done: Any) -> Batch:
        indices = self.ring.asked[done.slot][: self.ring.counts[done.slot]]
        return self.words.assemble(self.ring.take_out(done.slot), indices, done.filled)


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
    memory = torch.empty(shape, dtype=torch.uint8)
    memory.share_memory_()  # type: ignore[no-untyped-call]
    return memory


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
