"""How long exported files take to read, on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from autostr_nni.export.formats import Run

ROUNDS = 30


def latencies(runs: Sequence[Run], images: np.ndarray, rounds: int = ROUNDS, batch: int = 1) -> list[float]:
    """Median seconds that each file takes for so many images at a time.

    The files take turns, so that what else the machine does meets all of them. In a turn a file runs twice,
    and the first time is not counted: much is prepared once, and threads of the file before are still awake.

    Args:
        runs: the files, loaded.
        images: uint8 ``[N, 3, h, w]``, of which the rounds take one after another.
        rounds: so many are timed.
        batch: images at a time.
    """
    times: list[list[float]] = [[] for _ in runs]
    for number in range(rounds):
        some = images.take(range(number * batch, (number + 1) * batch), axis=0, mode="wrap")
        for run, known in zip(runs, times, strict=True):
            run(some)
            started = time.perf_counter()
            run(some)
            known.append(time.perf_counter() - started)
    return [median(known) for known in times]
