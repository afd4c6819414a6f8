"""Stands in for NVIDIA's: GPUS of them, all used by a process as long as the file BUSY is there.

Every process that asks notes in the file ASKED when it begins and when it ends.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def _note(word: str) -> None:
    with Path(os.environ["ASKED"]).open("a") as file:
        file.write(f"{word} {os.getpid()}\n")


def nvmlInit() -> None:
    _note("begins")
    time.sleep(0.2)  # a driver takes its time


def nvmlShutdown() -> None:
    _note("ends")


def nvmlDeviceGetCount() -> int:
    return int(os.environ["GPUS"])


def nvmlDeviceGetHandleByIndex(index: int) -> int:
    return index


def nvmlDeviceGetUtilizationRates(device: int) -> Any:
    return SimpleNamespace(gpu=0, memory=0)


def nvmlDeviceGetComputeRunningProcesses_v3(device: int) -> list[Any]:
    busy = os.path.exists(os.environ["BUSY"])
    return [SimpleNamespace(pid=int(os.environ["HOLDER"]), usedGpuMemory=1 << 20)] if busy else []


def nvmlDeviceGetGraphicsRunningProcesses_v3(device: int) -> list[Any]:
    return []
