"""What a stride path promises, by the losses of nets on others: a regression on two numbers of a path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath

_RIDGE = 2.0  # as many nets without any tendency are added to those that were seen


class PathRegression:
    """Expected loss by how late a path halves the height, and how late the width of the maps.

    On the table of nets these two rank finished nets as well as a sixth of their training does
    (benchmarks/RESULTS.md). In which direction, and how strongly, is learnt in every search anew.
    """

    def __init__(self, space: SearchSpace, losses: Sequence[tuple[StridePath, float]]) -> None:
        """Fit by ridge regression; without losses every path promises the same."""
        self._size = space.height, space.width
        rows = [self._numbers(path) for path, _ in losses]
        columns = list(zip(*rows, strict=True)) or [(0.0,), (0.0,)]
        self._means = [fmean(column) for column in columns]
        self._scales = [pstdev(column) or 1.0 for column in columns]
        self._weights = self._fitted([self._scaled(row) for row in rows], [loss for _, loss in losses])

    def of(self, path: StridePath) -> float:
        """Expected loss of nets on the path, less the mean of all."""
        scaled = self._scaled(self._numbers(path))
        return sum(weight * number for weight, number in zip(self._weights, scaled, strict=True))

    def _numbers(self, path: StridePath) -> tuple[float, float]:
        """Sums over the layers of log2 of the height, and of the width, of their maps."""
        sizes = path.resolutions(*self._size)
        return sum(math.log2(height) for height, _ in sizes), sum(math.log2(width) for _, width in sizes)

    def _scaled(self, numbers: tuple[float, float]) -> tuple[float, float]:
        first, second = ((n - m) / s for n, m, s in zip(numbers, self._means, self._scales, strict=True))
        return first, second

    def _fitted(self, rows: Sequence[tuple[float, float]], losses: Sequence[float]) -> tuple[float, float]:
        """The two weights, by the normal equations."""
        mean = fmean(losses) if losses else 0.0
        a = sum(x * x for x, _ in rows) + _RIDGE
        b = sum(x * y for x, y in rows)
        d = sum(y * y for _, y in rows) + _RIDGE
        p = sum(x * (loss - mean) for (x, _), loss in zip(rows, losses, strict=True))
        q = sum(y * (loss - mean) for (_, y), loss in zip(rows, losses, strict=True))
        determinant = a * d - b * b  # above 0: the ridge makes it so
        return (d * p - b * q) / determinant, (a * q - b * p) / determinant
