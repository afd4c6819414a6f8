"""Times of what runs one after another: each step after the one before, on what that has made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch


class Clock:
    """Of a CPU."""

    @torch.no_grad()
    def passes(self, steps: Sequence[Callable[[Any], Any]], x: Any, count: int) -> list[list[int]]:
        """Nanoseconds of every step in so many passes, each through all steps, after one that is not timed.

        The first step is given ``x``, every other one what the step before it returns.
        """
        passes = []
        for _ in range(count + 1):
            made, marks = x, [self.mark()]
            for step in steps:
                made = step(made)
                marks.append(self.mark())
            passes.append(self.between(marks))
        return passes[1:]

    def mark(self) -> Any:
        """This moment."""
        return time.perf_counter_ns()

    def between(self, marks: Sequence[Any]) -> list[int]:
        """Nanoseconds from each mark to the next."""
        return [after - before for before, after in pairwise(marks)]


class CudaClock(Clock):
    """Of a GPU: it takes the time itself, as the CPU runs ahead of it."""

    def mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def between(self, marks: Sequence[Any]) -> list[int]:
        torch.cuda.synchronize()
        return [round(before.elapsed_time(after) * 1e6) for before, after in pairwise(marks)]  # it gives ms
