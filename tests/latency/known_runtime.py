"""A runtime whose times are known."""

from __future__ import annotations

import random
from collections.abc import Callable
from zlib import crc32

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.latency import Block, backbone_blocks
from autostr_nni.search_spaces.space import SearchSpace

CONSTANT, STEM = 40_000, 90_000


def true_ns(block: Block) -> int:
    """What a block takes: something that depends on all of it."""
    op, cin, cout, h, w, (high, wide) = block
    return (
        1_000 if op == "skip" and cin == cout else 20_000 + 7 * len(op) * cin * cout * h * w // (high * wide)
    )


class Known:
    """A runtime whose passes take what `true_ns` says, and now and then three times as much.

    Every second net takes `unforeseen` times as long as its blocks say.
    """

    def __init__(self, space: SearchSpace, speed: Callable[[], float] = lambda: 1.0) -> None:
        self.space, self.speed, self.rng = space, speed, random.Random(0)
        self.passes, self.unforeseen = 0, 1

    def parts(self, net: Architecture) -> list[list[int]]:
        self.passes += 1
        times = [STEM, *(true_ns(block) for block in backbone_blocks(net, self.space))]
        return [[self._disturbed(ns) for ns in times] for _ in range(2)]

    def whole(self, net: Architecture) -> list[int]:
        self.passes += 1
        blocks = backbone_blocks(net, self.space)
        factor = self.unforeseen if crc32(net.text.encode()) % 2 else 1
        return [self._disturbed(factor * (CONSTANT + STEM + sum(map(true_ns, blocks))))] * 2

    def _disturbed(self, ns: int) -> int:
        return round(ns * self.speed() * (3 if self.rng.random() < 0.02 else 1))
