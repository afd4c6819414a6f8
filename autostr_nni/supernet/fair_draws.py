"""Nets for the steps of the one-shot supernet: each operation of a layer equally often. Light: no torch."""

from __future__ import annotations

import random
from collections import Counter
from functools import lru_cache

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS, Price
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.operations import parse
from autostr_nni.search_spaces.space import SearchSpace

_PROBES = 200  # paths by which the net to begin with is chosen


class FairDraws:
    """The net of every step, a function of seed and step alone: a run that continues draws the same ones.

    The stride path is that of a net drawn within the budget. On it the layers, in a random order, take of the
    operations that leave room for the rest the one that they have had least often in this round of steps. So
    all of a layer's operations come equally often, as in FairNAS (Chu et al. 2021), but where the budget is
    too tight for it.

    Before that comes a start: one net alone, so that the rest of the recognizer learns to read with it; then
    the others come in by and by, as the chance of each of its parts to stand falls from 1 to 0.

    Args:
        space: where nets are drawn.
        seed: of all draws.
        most: what a backbone may cost at most.
        alone: steps of the first net alone.
        opened: the step from which on all draws are fair; not before ``alone``.
        price: what costs are counted in.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        most: int,
        alone: int = 0,
        opened: int = 0,
        price: Price = MACS,
    ) -> None:
        self.space, self.seed, self.most, self.price = space, seed, most, price
        self.alone, self.opened = alone, opened
        self.round = 10 * len(space.operations)  # steps after which the counts begin anew
        self.first = first_net(space, seed, most, price)
        self._nets = lru_cache(maxsize=1)(self._drawn)

    def at(self, step: int) -> Architecture:
        """The net of a step, from 0."""
        number, place = divmod(step, self.round)
        return self._nets(number)[place]

    def _drawn(self, number: int) -> list[Architecture]:
        """The nets of a round."""
        had = [Counter[str]() for _ in range(self.space.layers)]
        return [self._draw(number * self.round + place, had) for place in range(self.round)]

    def _open(self, step: int) -> float:
        """The chance of a part not to be the first net's."""
        if step < self.alone:
            return 0.0
        return 1.0 if step >= self.opened else (step - self.alone) / (self.opened - self.alone)

    def _draw(self, step: int, had: list[Counter[str]]) -> Architecture:
        rng, chance = random.Random(f"{self.seed} {step}"), self._open(step)
        path = sample_within(self.space, rng, self.most, price=self.price).path
        if rng.random() >= chance:
            path = self.first.path
        table = self.price.table(path, self.space)
        least = [min(layer.values()) for layer in table]
        left = self.most - self.price.fixed(self.space) - sum(least)
        names = [""] * len(table)
        for layer in rng.sample(range(len(table)), len(table)):
            fitting = [name for name, cost in table[layer].items() if cost - least[layer] <= left]
            rng.shuffle(fitting)
            names[layer] = min(fitting, key=had[layer].__getitem__)
            if rng.random() >= chance and self.first.operations[layer] in fitting:
                names[layer] = self.first.operations[layer]
            had[layer][names[layer]] += 1
            left -= table[layer][names[layer]] - least[layer]
        return Architecture(path, tuple(names), self.space.stage_layers)


def first_net(space: SearchSpace, seed: int, most: int, price: Price = MACS) -> Architecture:
    """The net to begin with: one operation in all layers, the picture kept large for as long as the budget
    allows.

    The operation is the largest of which half of the paths are within the budget, else the smallest; the path
    the dearest of some hundred drawn ones. Where none of them is within the budget, it is any net
    that is.
    """
    rng = random.Random(seed)
    paths = [space.paths.sample(rng) for _ in range(_PROBES)]
    by_size: list[tuple[int, list[tuple[int, Architecture]]]] = []
    for name in space.operations:
        if parse(name).fits(True, space.projection_skip) and not parse(name).passes_by:
            nets = [space.default_architecture(path, name) for path in paths]
            costs = sorted(((price.of(net, space), net) for net in nets), key=lambda one: one[0])
            by_size.append((costs[_PROBES // 2][0], costs))
    by_size.sort(key=lambda one: one[0])
    half = [costs for middle, costs in by_size if middle <= most]
    costs = half[-1] if half else by_size[0][1]
    within = [net for cost, net in costs if cost <= most]
    return within[-1] if within else sample_within(space, rng, most, price=price)
