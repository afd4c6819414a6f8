"""The rungs of a halving search: after how many epochs nets are compared, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autostr_nni.system.errors import InputError

from .steps import Planned


@dataclass(frozen=True)
class Ladder:
    """Epochs after which nets are compared, rising to a full training; of `reduction` nets one goes on."""

    epochs: tuple[int, ...]
    reduction: int = 3

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.epochs, self.epochs[1:], strict=False))
        if not self.epochs or self.epochs[0] < 1 or not rising:
            raise InputError(f"search.halving.rungs: {list(self.epochs)} must rise from at least 1")
        if self.reduction < 2:
            raise InputError(f"search.halving.reduction: {self.reduction} must be at least 2")

    @property
    def top(self) -> int:
        """Number of the last rung."""
        return len(self.epochs) - 1

    def cost(self, rung: int) -> int:
        """Epochs that a net of the rung below still needs."""
        return self.epochs[rung] - (self.epochs[rung - 1] if rung else 0)

    def price(self, counts: Sequence[int]) -> int:
        """Epochs of so many trials of each rung."""
        return sum(count * self.cost(rung) for rung, count in enumerate(counts))

    def planned(self, step: str, candidates: int, least: int = 1) -> list[Planned]:
        """Trials of each rung without failures; `least` at least reach all of them, if there are so many."""
        counts = [candidates]
        for _ in range(self.top):
            counts.append(min(counts[-1], max(least, counts[-1] // self.reduction)))
        return self.steps(step, counts)

    def steps(self, step: str, counts: Sequence[int], waits: bool = True) -> list[Planned]:
        """So many trials of each rung, from the lowest on."""
        begins = (0, *self.epochs)
        return [Planned(step, *rung, waits) for rung in zip(counts, begins, self.epochs, strict=False)]


def ladder_of(epochs: int) -> tuple[int, ...]:
    """Rungs at about a sixth and a third of a full training of so many epochs.

    A ninth is too soon: on the table of nets the loss there ranked the final accuracy with Kendall's tau 0.1,
    at a sixth with 0.4 and at a third with 0.7 (benchmarks/RESULTS.md).
    """
    return tuple(sorted({max(1, round(epochs / 6)), max(1, round(epochs / 3)), epochs}))
