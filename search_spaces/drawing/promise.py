"""Which stride paths promise a low loss: what text readers know beforehand, and what a search has seen.

Text is read along the width, and each column of the map that is left is one chance to say a character. So
readers of text halve the width later, and less often, than the height (Shi et al. 2017, CRNN; Shi et al.
2019, ASTER). On the table of nets the columns of the maps alone, summed over the layers, rank finished nets
as well as a sixth of their training does, and so it is with typical paths under every operation
(benchmarks/RESULTS.md). This is believed before anything is trained, and given up where losses say otherwise.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean, pstdev

from autostr_nni.system.errors import InputError

from ..counting import MACS, Price
from ..space import SearchSpace
from ..stride_path import StridePath
from .within import sample_within

#: Change of loss, in its standard deviations, with one more of the maps' rows and of their columns, before a
#: net was seen; and how many nets say as much.
_ROWS, _COLUMNS, _NETS = -0.25, -0.5, 9.0

_AMONG, _POOL = 8, 64  # nets that are drawn for each path that is wanted, and in all at least
_PER_PATH = 50  # and, until so many paths are met, at most

_Numbers = tuple[float, float]


class PathPromise:
    """Loss by how late a path halves the height, and how late the width of the maps.

    Bayesian linear regression on the losses seen. Its weights are drawn from what is left possible (Thompson
    sampling): a few nets are no evidence, and a direction that they seem to show, or that was believed
    before, would otherwise be followed by all candidates.
    """

    def __init__(
        self,
        space: SearchSpace,
        among: Sequence[StridePath],
        losses: Sequence[tuple[StridePath, float]],
        rng: random.Random | None,
    ) -> None:
        """Fit, and draw the weights.

        Args:
            space: where the paths lie.
            among: paths that are to be compared; drawn at random, since how much these differ is the unit.
            losses: of nets on the paths seen so far, all trained equally long; may be empty.
            rng: source of randomness; None: the weights are the likeliest ones.
        """
        self._size = space.height, space.width
        columns = list(zip(*(map_sizes(path, *self._size) for path in among), strict=True))
        self._scales = [pstdev(column) or 1.0 for column in columns]
        rows = [self._scaled(path) for path, _ in losses]
        values = [loss for _, loss in losses]
        self._weights = self._agreed(rows, values, rng)

    def of(self, path: StridePath) -> float:
        """What the loss of nets on the path is expected to be, but for a constant; lower promises more."""
        return _product(self._weights, self._scaled(path))

    def _scaled(self, path: StridePath) -> _Numbers:
        first, second = (
            n / scale for n, scale in zip(map_sizes(path, *self._size), self._scales, strict=True)
        )
        return first, second

    @staticmethod
    def _agreed(rows: Sequence[_Numbers], losses: Sequence[float], rng: random.Random | None) -> _Numbers:
        """The two weights that belief and losses agree on; with ``rng`` drawn from around them."""
        mean = fmean(losses) if losses else 0.0
        middle = [fmean(column) for column in zip(*rows, strict=True)] or [0.0, 0.0]
        centred = [(x - middle[0], y - middle[1]) for x, y in rows]
        unit = pstdev(losses) if len(losses) > 1 else 0.0
        unit = unit or 1.0  # equal losses say nothing of it; and it only matters beside losses
        a = sum(x * x for x, _ in centred) + _NETS
        b = sum(x * y for x, y in centred)
        d = sum(y * y for _, y in centred) + _NETS
        moved = [loss - mean for loss in losses]
        p = sum(x * loss for (x, _), loss in zip(centred, moved, strict=True)) + _NETS * _ROWS * unit
        q = sum(y * loss for (_, y), loss in zip(centred, moved, strict=True)) + _NETS * _COLUMNS * unit
        determinant = a * d - b * b  # above 0: the belief makes it so
        fitted = (d * p - b * q) / determinant, (a * q - b * p) / determinant
        if rng is None:
            return fitted
        rest = [loss - _product(fitted, row) for row, loss in zip(centred, moved, strict=True)]
        left = pstdev(rest) if len(rest) > 1 else unit
        # Cholesky factor of the inverse of ((a, b), (b, d)).
        first, second = rng.gauss(0, left), rng.gauss(0, left)
        root = math.sqrt(d / determinant)
        return (
            fitted[0] + root * first,
            fitted[1] - b / determinant / root * first + second / math.sqrt(d),
        )


@lru_cache(4096)  # every candidate asks for all nets that were seen
def map_sizes(path: StridePath, height: int, width: int) -> _Numbers:
    """Sums over the layers of log2 of the height, and of the width, of their maps, in pixels.

    Args:
        path: of the layers.
        height, width: of the map that goes into the first one.
    """
    sizes = path.resolutions(height, width)
    return sum(math.log2(rows) for rows, _ in sizes), sum(math.log2(columns) for _, columns in sizes)


def _product(first: _Numbers, second: _Numbers) -> float:
    return first[0] * second[0] + first[1] * second[1]


def draw_paths(
    space: SearchSpace, rng: random.Random, count: int, most: int, least: int = 0, price: Price = MACS
) -> list[StridePath]:
    """Of the stride paths of random nets that cost ``least`` to ``most`` those that promise most.

    Nothing is left to chance but which nets are drawn: paths that differ come from there, and on the table of
    nets a path chosen by weights that are drawn too leads to worse nets (benchmarks/RESULTS.md).

    Returns:
        ``count`` different paths, the most promising first.

    Raises:
        InputError: so many different ones are not met.
    """
    drawn: list[StridePath] = []
    found: dict[StridePath, None] = {}  # each once, in the order met
    while len(drawn) < max(_POOL, _PER_PATH * count):
        drawn.append(sample_within(space, rng, most, least=least, price=price).path)
        found[drawn[-1]] = None
        if len(drawn) >= max(_POOL, _AMONG * count) and len(found) >= count:
            return sorted(found, key=PathPromise(space, drawn, (), None).of)[:count]
    raise InputError(
        f"nets within the budget were met on {len(found)} paths alone, not on {count}; ask for fewer"
    )
