"""What a training needs of its machine: seed, threads and memory of this process, and its devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from autostr_nni.recipe.training import TrainingSection
from autostr_nni.runs.figures import Report
from autostr_nni.system.errors import InputError
from autostr_nni.system.freed_memory import keep_freed_memory
from autostr_nni.system.threads import default_threads
from autostr_nni.training.distributed.group import ALONE, Team
from autostr_nni.training.distributed.launch import Work, run_in_team
from autostr_nni.training.loop import devices_of
from autostr_nni.training.memory import memory_told

T = TypeVar("T")


def prepare_torch(seed: int, threads: int | None, team: Team = ALONE) -> None:
    """Seed torch's global generator, which all weights come from; set this process's threads and memory.

    ``threads``: of all processes of the team together; None for those that suit the machine.
    """
    keep_freed_memory()
    threads = threads or default_threads()
    torch.set_num_threads(max(1, threads // team.size))
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(seed)


@contextmanager
def restored_threads() -> Iterator[None]:
    """Whatever number of threads is set within, the process's next trial finds the one of before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def on_devices(
    work: Work[T],
    training: TrainingSection,
    report: Report,
    batch_size: int | None = None,
    key: str = "training.devices",
) -> T:
    """Run ``work`` on a training's devices; ``batch_size`` is that of the operator search if it has its own,
    and ``key`` names the devices.

    Raises:
        InputError: the devices are not there, or are too many for a batch.
        OutOfMemory: memory ran out.
    """
    batch_key = "search.operators.batch_size" if batch_size else "training.batch_size"
    batch_size = batch_size or training.batch_size
    size, on_gpu = devices_of(training, key)
    if size > batch_size:
        raise InputError(f"{key}: {size} devices cannot share a batch of {batch_key}: {batch_size}")
    with memory_told(batch_key, batch_size):
        return run_in_team(work, size, on_gpu, report)
