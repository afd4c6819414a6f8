"""Which net a search by halving tries next: a random one, one near the leaders, or on a path of promise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.drawing import sample_within
from autostr_nni.search_spaces.mutation import mutate
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

from .path_regression import PathRegression

_TRIES = 200  # draws before another way is taken
_DRAWN = 16  # nets of the whole space of which one becomes a candidate


@dataclass(frozen=True)
class Candidates:
    """The first ones are random nets of the space. Later ones are neighbours of the leaders or, by the share
    ``explore``, come from the whole space: of several drawn there the one whose stride path promises most."""

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
    ) -> Architecture:
        """A net that is not among ``seen``.

        Args:
            seed: of this draw.
            seen: texts of the nets tried so far.
            leaders: whose neighbours are tried.
            losses: stride path and validation loss of all nets that were trained equally long.

        Raises:
            InputError: no further net of such a cost is met.
        """
        rng = random.Random(seed)
        begun = self.first <= len(seen)
        if begun and leaders and rng.random() >= self.explore:
            for _ in range(_TRIES):
                found = mutate(self.space, rng.choice(leaders), rng)
                if self._new(found, seen):
                    return found
        drawn = self._drawn(rng, seen, _DRAWN if begun and len(losses) > 1 else 1)
        if not drawn:
            band = f"{self.band[0] / 1e6:g} to {self.price.said(self.band[1])}"
            advice = "widen the band or lower search.halving.nets"
            raise InputError(f"search.halving: no further net with {band} was met; {advice}")
        if len(drawn) == 1:
            return drawn[0]
        promise = PathRegression(self.space, losses, rng)
        return min(drawn, key=lambda net: promise.of(net.path))

    def _drawn(self, rng: random.Random, seen: AbstractSet[str], count: int) -> list[Architecture]:
        """So many untried nets of the whole space, or as many as are met."""
        found: list[Architecture] = []
        for _ in range(_TRIES):
            net = sample_within(self.space, rng, self.band[1], price=self.price)
            if self._new(net, seen):
                found.append(net)
            if len(found) == count:
                break
        return found

    def _new(self, net: Architecture, seen: AbstractSet[str]) -> bool:
        least, most = self.band
        return net.text not in seen and least <= self.price.of(net, self.space) <= most
