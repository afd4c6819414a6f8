"""Which net a search by halving tries next: one near the leaders, or on a path of promise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.drawing.mutation import mutate
from autostr_nni.search_spaces.drawing.promise import PathPromise
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

_TRIES, _SELDOM = 200, 20  # draws before another way is taken
_DRAWN = 16  # nets of the whole space of which one becomes a candidate


@dataclass(frozen=True)
class Candidates:
    """The first ones come from the whole space: of several random nets the one whose stride path promises
    most. Later ones do so by the share ``explore``; the others are neighbours of the leaders."""

    space: SearchSpace
    band: tuple[int, int]  # what a backbone costs, at least and at most
    price: Price  # what that is counted in
    explore: float
    first: int

    def draw(
        self,
        seed: str,
        seen: AbstractSet[str],
        leaders: Sequence[Architecture],
        losses: Sequence[tuple[StridePath, float]],
    ) -> Architecture | None:
        """A net that is not among ``seen``; None where none is met.

        Args:
            seed: of this draw.
            seen: texts of the nets tried so far.
            leaders: whose neighbours are tried.
            losses: stride path and validation loss of all nets that were trained equally long.
        """
        rng = random.Random(seed)
        if self.first <= len(seen) and leaders and rng.random() >= self.explore:
            for _ in range(_TRIES):
                found = mutate(self.space, rng.choice(leaders), rng)
                if self._new(found, seen):
                    return found
        drawn = self._drawn(rng, seen)
        if not drawn:
            return None
        promise = PathPromise(self.space, [net.path for net in drawn], losses, rng)
        return min(drawn, key=lambda net: promise.of(net.path))

    def _drawn(self, rng: random.Random, seen: AbstractSet[str]) -> list[Architecture]:
        """Sixteen untried nets of the whole space, or as many as are met."""
        found: list[Architecture] = []
        for _ in range(_TRIES):
            try:
                net = sample_within(self.space, rng, self.band[1], price=self.price)
            except InputError:  # so small a budget that chance seldom meets it, let alone a band below it
                return found
            if self._new(net, seen):
                found.append(net)
            if len(found) == _DRAWN:
                return found
        if found:
            return found
        for _ in range(_SELDOM):  # a thin band, for which many are drawn each time
            try:
                net = sample_within(self.space, rng, self.band[1], least=self.band[0], price=self.price)
            except InputError:
                break
            if self._new(net, seen):
                return [net]
        return found

    def _new(self, net: Architecture, seen: AbstractSet[str]) -> bool:
        least, most = self.band
        return net.text not in seen and least <= self.price.of(net, self.space) <= most
