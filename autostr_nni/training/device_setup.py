"""What a training needs of its machine: seed, threads and memory of this process, and its devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from autostr_nni.reading.memory import memory_told
from autostr_nni.recipe.training import TrainingSection
from autostr_nni.runs.figures import Report
from autostr_nni.system.errors import InputError
from autostr_nni.system.freed_memory import keep_freed_memory
from autostr_nni.system.threads import default_threads, within_cores
from autostr_nni.training.distributed.group import ALONE, Team
from autostr_nni.training.distributed.launch import Work, run_in_team

T = TypeVar("T")


def prepare_torch(seed: int, threads: int | None, team: Team = ALONE, key: str = "training.threads") -> None:
    """Seed torch's global generator, which all weights come from; set this process's threads and memory.

    ``threads``: of all processes of the team together, as the recipe's ``key`` says; None for those that suit
    the machine.
    """
    keep_freed_memory()
    threads = within_cores(threads, key) if threads else default_threads()
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


def device_of(training: TrainingSection) -> tuple[str, list[int] | int | str]:
    """Lightning's accelerator and device of a training on one. Raises InputError for a missing one."""
    if training.device == "auto":
        return ("gpu", 1) if torch.cuda.is_available() else ("cpu", 1)
    if training.device == "cpu":
        return "cpu", 1
    number = int(training.device.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        raise InputError(f"training.device: this machine has no {training.device}; write auto or cpu")
    return "gpu", [number]


def torch_device(training: TrainingSection) -> torch.device:
    """The same as torch calls it. Raises InputError for a missing one."""
    kind, device = device_of(training)
    return (
        torch.device("cuda", device[0] if isinstance(device, list) else 0)
        if kind == "gpu"
        else torch.device("cpu")
    )


def devices_of(training: TrainingSection, key: str = "training.devices") -> tuple[int, bool]:
    """How many devices share a training, and whether they are GPUs.

    Raises InputError for missing ones, which names the ``key`` that asks for them.
    """
    on_gpu = device_of(training)[0] == "gpu"
    there = torch.cuda.device_count()
    wanted = training.devices
    if wanted == "auto":
        return (there, True) if on_gpu and ":" not in training.device else (1, on_gpu)
    if on_gpu and wanted > there:
        raise InputError(f"{key}: this machine has {there} GPUs, not {wanted}; write auto")
    return wanted, on_gpu


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


def on_one_device(work: Callable[[Report], T], report: Report, batch_key: str, batch_size: int) -> T:
    """Run ``work`` that devices do not share; OutOfMemory, which names the key, where memory runs out."""
    with memory_told(batch_key, batch_size):
        return work(report)
