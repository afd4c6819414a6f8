"""Processes that train one net together: who each of them is, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

#: How long a process waits for the others: the slowest may be writing a checkpoint or reading its last words.
PATIENCE = timedelta(minutes=30)


class Team:
    """One process of ``size`` on this machine, each with a device of its own and a part of every batch.

    All compute what one process would with the whole batch. Rank 0 leads: it alone writes files and reports.
    A team of one talks to nobody.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self._small: dist.ProcessGroup | None = None  # for what is no tensor of the device

    @property
    def leads(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def join(self, meeting: Path, on_gpu: bool) -> None:
        """Meet the others over a file that no team has used before; over loopback alone where they talk."""
        for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
            os.environ.setdefault(name, "lo")
        if on_gpu:
            torch.cuda.set_device(self.rank)
        place = f"file://{meeting}"
        backend = "nccl" if on_gpu else "gloo"
        dist.init_process_group(backend, place, PATIENCE, rank=self.rank, world_size=self.size)
        self._small = dist.new_group(backend="gloo", timeout=PATIENCE) if on_gpu else dist.group.WORLD

    def leave(self) -> None:
        """The end of the team's work."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def counts(self, count: int) -> list[int]:
        """Everybody's ``count``, by rank."""
        if self.size == 1:
            return [count]
        mine = torch.tensor([count])
        all_counts = [torch.zeros_like(mine) for _ in range(self.size)]
        dist.all_gather(all_counts, mine, group=self._small)
        return [int(number) for number in all_counts]

    def gathered(self, thing: T) -> list[T]:
        """Everybody's ``thing``, by rank; anything that can be pickled."""
        if self.size == 1:
            return [thing]
        things: list[Any] = [None] * self.size
        dist.all_gather_object(things, thing, group=self._small)
        return things

    def as_leader(self, decide: Callable[[], T]) -> T:
        """What ``decide`` returns to the leader, who alone runs it."""
        return self.gathered(decide() if self.leads else None)[0]  # type: ignore[return-value]

    def sum(self, values: Tensor) -> Tensor:
        """The sum of everybody's ``values``; the same bits for all. ``values`` stays as it was."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients that there are by their sums, in one message.

        Everybody must have gradients of the same parameters: those of the operations that were drawn. DDP's
        own reducer would send zeros for all the others too: 40.7 million numbers in the paper's supernet, not
        12.8 million.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        summed = self.sum(torch.cat([g.reshape(-1) for g in gradients]))
        parts = torch.split(summed, [g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))


#: The team of a training in one process.
ALONE = Team()
