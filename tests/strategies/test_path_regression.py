"""What stride paths promise by the losses of others."""

from __future__ import annotations

import random

import pytest

from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.path_regression import PathRegression

SPACE = SearchSpace()


def columns(path: StridePath) -> int:
    return sum(width for _, width in path.resolutions(SPACE.height, SPACE.width))


def paths(count: int) -> list[StridePath]:
    rng = random.Random(0)
    return [SPACE.sample(rng).path for _ in range(count)]


@pytest.mark.parametrize("sign", [1, -1])
def test_learns_which_way_the_width_matters(sign: int) -> None:
    seen, others = paths(60)[:30], paths(60)[30:]
    regression = PathRegression(SPACE, [(path, 10 + sign * columns(path) / 100) for path in seen])
    best = min(others, key=regression.of)
    rank = sorted(others, key=lambda path: sign * columns(path)).index(best)
    assert rank < 3


def test_of_two_numbers_each_has_its_own_weight() -> None:
    early, late = (StridePath.parse(text, SPACE.stage_layers) for text in ("AABBB", "BBBAA"))
    seen = paths(40)
    rows = {p: sum(height for height, _ in p.resolutions(SPACE.height, SPACE.width)) for p in seen}
    regression = PathRegression(SPACE, [(path, -rows[path] - columns(path)) for path in seen])
    tall = StridePath.parse("..........AABBB", SPACE.stage_layers)
    assert regression.of(tall) < regression.of(late) < regression.of(early)


def test_without_tendency_it_promises_nothing() -> None:
    path = paths(1)[0]
    assert PathRegression(SPACE, []).of(path) == 0
    assert PathRegression(SPACE, [(path, 3.0)]).of(paths(2)[1]) == 0
    alike = PathRegression(SPACE, [(path, 3.0) for path in paths(9)])
    assert {alike.of(path) for path in paths(20)} == {0}
