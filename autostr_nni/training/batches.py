"""Which images a process takes in each step, and the place in an epoch where it begins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import cast

from torch.utils.data import BatchSampler, DataLoader, Sampler, SequentialSampler

from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.data.loader import make_loader
from autostr_nni.training.distributed.group import Team


class JointBatches(BatchSampler):
    """Batches of a sampler's order, of which the processes of a team take disjoint parts.

    Together the parts of a step are the batch that one process would take. They differ by one image at most;
    one is empty where the batch has fewer images than there are processes.

    Args:
        first: batches of the epoch that are left out because they were taken before a stop.
    """

    sampler: Sampler[int]

    def __init__(self, sampler: Sampler[int], batch_size: int, team: Team, first: int = 0) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        self.team, self.first = team, first

    def __len__(self) -> int:
        return super().__len__() - self.first

    def __iter__(self) -> Iterator[list[int]]:
        for batch in islice(super().__iter__(), self.first, None):
            yield batch[self.team.rank :: self.team.size]


def joint_loader(
    words: WordDataset,
    batch_size: int,
    workers: int,
    team: Team,
    sampler: Sampler[int] | None = None,
    first: int = 0,
) -> DataLoader[Batch]:
    """This process's part of batches of ``batch_size`` in all, in the sampler's order or the set's own."""
    order = sampler or cast("Sampler[int]", SequentialSampler(words))
    return make_loader(words, batches=JointBatches(order, batch_size, team, first), workers=workers)


def tell_mix(words: WordDataset, epoch_images: int | None) -> None:
    """Print what an epoch draws of each set, where the sets have weights."""
    if words.mix is not None:
        print(f"an epoch draws {words.mix.told(epoch_images or len(words))}", flush=True)
