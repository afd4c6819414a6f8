"""Which operations a table says are slow for what they compute. Light: no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autostr_nni.search_spaces.counting import operation_cost
from autostr_nni.search_spaces.latency import Block


@dataclass(frozen=True)
class Speed:
    """A block, or an operation over all its places: nanoseconds and MACs of a pass of a whole batch."""

    operation: str
    ns: int
    macs: int
    places: int = 1
    block: Block | None = None

    @property
    def ns_per_thousand(self) -> float:
        """Nanoseconds of a thousand MACs."""
        return 1000 * self.ns / self.macs


def block_speeds(times: Mapping[Block, int], batch: int, projection_skip: bool) -> list[Speed]:
    """Every block that computes at all, the slowest per MAC first."""
    found = [
        Speed(block[0], ns, batch * operation_cost(*block, projection_skip).macs, block=block)
        for block, ns in times.items()
    ]
    return sorted((speed for speed in found if speed.macs), key=lambda s: -s.ns_per_thousand)


def operation_speeds(blocks: Iterable[Speed]) -> list[Speed]:
    """Every operation over all its places together, the slowest per MAC first."""
    groups: dict[str, list[Speed]] = defaultdict(list)
    for speed in blocks:
        groups[speed.operation].append(speed)
    sums = [
        Speed(name, sum(s.ns for s in group), sum(s.macs for s in group), len(group))
        for name, group in groups.items()
    ]
    return sorted(sums, key=lambda speed: -speed.ns_per_thousand)
