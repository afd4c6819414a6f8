"""Memory that runs out, told in one sentence with what to try."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from autostr_nni.system.errors import TrainingFailed

#: What torch, its libraries and the system say when an allocation fails; on GPUs it names CUDA.
_NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|Cannot allocate memory|std::bad_alloc"
    r"|could not create a memory|ALLOC_FAILED",
    re.I,
)
_KILLED = re.compile(r"killed by signal: Killed|worker .* exited unexpectedly")  # or one of a team
_SHARED = re.compile(r"bus error|shared memory|unable to (allocate|open|mmap|resize).*shm", re.I)


class OutOfMemory(TrainingFailed):
    """A training did not fit into memory: a smaller batch may."""


@contextmanager
def memory_told(key: str, batch_size: int) -> Iterator[None]:
    """Turn memory that runs out into `OutOfMemory`, which names ``key`` of the recipe and half its value."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        sentence = None if isinstance(error, OutOfMemory) else explanation(error, key, batch_size)
        if sentence is None:
            raise
        raise OutOfMemory(sentence) from error


def explanation(error: BaseException, key: str, batch_size: int) -> str | None:
    """What happened and what to write into the recipe; None where ``error`` is not about memory."""
    text = str(error)
    smaller = f"write {key}: {batch_size // 2} (it is {batch_size})"
    if batch_size == 1:
        smaller = f"{key} is 1 already: make the net smaller"
    if _KILLED.search(text):
        return (
            f"a process was killed, as the system does when memory runs out: {smaller} or fewer data.workers"
        )
    if _SHARED.search(text):
        return (
            "the shared memory (/dev/shm) is too small for the loader processes: write data.workers: 0, "
            f"or {smaller.removeprefix('write ')}, or give a container more (docker run --shm-size)"
        )
    full = isinstance(error, MemoryError | torch.OutOfMemoryError) or _NO_MEMORY.search(text)
    if not full and not (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return None
    on_gpu = isinstance(error, torch.cuda.OutOfMemoryError) or re.search("CUDA|CUBLAS|CUDNN", text)
    return f"out of memory{' on the GPU' if on_gpu else ''}: {smaller}"
