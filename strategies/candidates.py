"""Which net a search by halving tries next: a random one, one near the leaders, or on a path of promise."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import fmean, pstdev

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.drawing import sample_within
from autostr_nni.search_spaces.mutation import mutate
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

_TRIES, _SELDOM = 200, 20  # draws before another way is taken
_DRAWN = 16  # nets of the whole space of which one becomes a candidate
_RIDGE = 2.0  # as many nets without any tendency are added to those that were seen


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
    ) -> Architecture | None:
        """A net that is not among ``seen``; None where none is met.

        Args:
            seed: of this draw.
            seen: texts of the nets tried so far.
            leaders: whose neighbours are tried.
            losses: stride path and validation loss of all nets that were trained equally long.
        """
        rng = random.Random(seed)
        begun = self.first <= len(seen)
        if begun and leaders and rng.random() >= self.explore:
            for _ in range(_TRIES):
                found = mutate(self.space, rng.choice(leaders), rng)
                if self._new(found, seen):
                    return found
        drawn = self._drawn(rng, seen, _DRAWN if begun and len(losses) > 1 else 1)
        if len(drawn) < 2:
            return drawn[0] if drawn else None
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


class PathRegression:
    """Loss by how late a path halves the height, and how late the width of the maps.

    On the table of nets these two rank finished nets as well as a sixth of their training does
    (benchmarks/RESULTS.md). In which direction, and how strongly, every search learns anew. The weights are
    drawn from what is left possible (Thompson sampling with Bayesian linear regression): a few nets are no
    evidence, and a direction that they seem to show would otherwise be followed by all candidates.
    """

    def __init__(
        self, space: SearchSpace, losses: Sequence[tuple[StridePath, float]], rng: random.Random
    ) -> None:
        """Fit to nets of these paths and losses, at least two, and draw the weights."""
        self._size = space.height, space.width
        rows = [self._numbers(path) for path, _ in losses]
        columns = list(zip(*rows, strict=True))
        self._means = [fmean(column) for column in columns]
        self._scales = [pstdev(column) or 1.0 for column in columns]
        mean = fmean(loss for _, loss in losses)
        self._weights = self._drawn(
            [self._scaled(row) for row in rows], [loss - mean for _, loss in losses], rng
        )

    def of(self, path: StridePath) -> float:
        """Loss of nets on the path, less the mean of all, by the weights that were drawn."""
        return _product(self._weights, self._scaled(self._numbers(path)))

    def _numbers(self, path: StridePath) -> tuple[float, float]:
        """Sums over the layers of log2 of the height, and of the width, of their maps."""
        sizes = path.resolutions(*self._size)
        return sum(math.log2(height) for height, _ in sizes), sum(math.log2(width) for _, width in sizes)

    def _scaled(self, numbers: tuple[float, float]) -> tuple[float, float]:
        first, second = ((n - m) / s for n, m, s in zip(numbers, self._means, self._scales, strict=True))
        return first, second

    @staticmethod
    def _drawn(
        rows: Sequence[tuple[float, float]], losses: Sequence[float], rng: random.Random
    ) -> tuple[float, float]:
        """Two weights, from the normal distribution around those of the ridge regression."""
        a = sum(x * x for x, _ in rows) + _RIDGE
        b = sum(x * y for x, y in rows)
        d = sum(y * y for _, y in rows) + _RIDGE
        p = sum(x * loss for (x, _), loss in zip(rows, losses, strict=True))
        q = sum(y * loss for (_, y), loss in zip(rows, losses, strict=True))
        determinant = a * d - b * b  # above 0: the ridge makes it so
        fitted = (d * p - b * q) / determinant, (a * q - b * p) / determinant
        left = pstdev(loss - _product(fitted, row) for row, loss in zip(rows, losses, strict=True))
        # Cholesky factor of the inverse of ((a, b), (b, d)).
        first, second = rng.gauss(0, left), rng.gauss(0, left)
        root = math.sqrt(d / determinant)
        return (
            fitted[0] + root * first,
            fitted[1] - b / determinant / root * first + second / math.sqrt(d),
        )


def _product(first: tuple[float, float], second: tuple[float, float]) -> float:
    return first[0] * second[0] + first[1] * second[1]
