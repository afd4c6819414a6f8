"""Which net is ranked next: random ones at first, then neighbours of the leaders. Light: no torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS, Price
from autostr_nni.search_spaces.drawing.mutation import mutate
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.front import ordered
from autostr_nni.system.errors import InputError

_TRIES = 200  # draws that only repeat what is ranked before the space is taken to be exhausted
_AGAIN = 0.5  # chance of a neighbour to be changed once more


Cost = Callable[[Architecture], float]


class Ranked(NamedTuple):
    """A net and its validation loss on the supernet's weights."""

    net: Architecture
    loss: float


def next_net(
    space: SearchSpace,
    ranked: Sequence[Ranked],
    seed: int,
    band: tuple[int, int],
    population: int,
    cost: Cost | None = None,
    price: Price = MACS,
) -> Architecture | None:
    """The net to be ranked after these; it depends on them, in their order, and on the seed alone.

    Args:
        space: where nets are found.
        ranked: all nets so far, each once.
        seed: of the draws.
        band: what a backbone may cost, from and to.
        population: so many are drawn at random; then the best quarter of as many are the parents.
        cost: of a net, where the best are to be so along cost and loss.
        price: what the band is counted in.

    Returns:
        None where no other net was met.

    Raises:
        InputError: no net is within the band.
    """
    rng = random.Random(f"{seed} {len(ranked)}")
    seen = {one.net for one in ranked}
    if len(ranked) >= population:
        parents = best(ranked, max(1, population // 4), cost)
        for _ in range(_TRIES):
            net = mutate(space, rng.choice(parents).net, rng)
            if rng.random() < _AGAIN:
                net = mutate(space, net, rng)
            if net not in seen and band[0] <= price.of(net, space) <= band[1]:
                return net
    for _ in range(_TRIES):
        try:
            net = sample_within(space, rng, band[1], least=band[0], price=price)
        except InputError:
            if ranked:  # chance seldom meets so thin a band
                break
            raise
        if net not in seen:
            return net
    return None


def best(ranked: Sequence[Ranked], count: int, cost: Cost | None = None) -> list[Ranked]:
    """So many of the lowest loss, lowest first; of equals the earlier.

    With a cost those that no other net is cheaper than and as good as, and of these the ones that differ most
    (`strategies.front.ordered`); the lowest loss is still first.
    """
    if cost is not None:
        return [ranked[place] for place in ordered([(cost(one.net), -one.loss) for one in ranked])[:count]]
    return sorted(ranked, key=lambda one: one.loss)[:count]
