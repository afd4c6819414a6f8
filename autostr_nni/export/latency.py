"""How long exported files take to read one image, on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from autostr_nni.export.formats import Run

ROUNDS = 30


def latencies(runs: Sequence[Run], images: np.ndarray, rounds: int = ROUNDS) -> list[float]:
    """Median seconds that each file takes for one image alone.

    The files take turns, so that what else the machine does meets all of them; the first round, in which much
    is prepared, is not counted.

    Args:
        runs: the files, loaded.
        images: uint8 ``[N, 3, h, w]``, of which the rounds take one after another.
        rounds: so many are timed.
    """
    times: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        place = number % len(images)
        for run, known in zip(runs, times, strict=True):
            started = time.perf_counter()
            run(images[place : place + 1])
            known.append(time.perf_counter() - started)
    return [median(known[1:]) for known in times]
