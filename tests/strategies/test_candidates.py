"""Where candidates come from: what stride paths promise by the losses of others."""

from __future__ import annotations

import random

import pytest

from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.candidates import Candidates, PathRegression

SPACE = SearchSpace()


def columns(path: StridePath) -> int:
    return sum(width for _, width in path.resolutions(SPACE.height, SPACE.width))


def paths(count: int) -> list[StridePath]:
    rng = random.Random(0)
    return [SPACE.sample(rng).path for _ in range(count)]


@pytest.mark.parametrize("sign", [1, -1])
def test_learns_which_way_the_width_matters(sign: int) -> None:
    seen, others = paths(60)[:30], paths(60)[30:]
    losses = [(path, 10 + sign * columns(path) / 100) for path in seen]
    regression = PathRegression(SPACE, losses, random.Random(0))
    best = min(others, key=regression.of)
    rank = sorted(others, key=lambda path: sign * columns(path)).index(best)
    assert rank < 3


def test_of_two_numbers_each_has_its_own_weight() -> None:
    early, late = (StridePath.parse(text, SPACE.stage_layers) for text in ("AABBB", "BBBAA"))
    seen = paths(40)
    rows = {p: sum(height for height, _ in p.resolutions(SPACE.height, SPACE.width)) for p in seen}
    losses = [(path, -rows[path] - columns(path)) for path in seen]
    regression = PathRegression(SPACE, losses, random.Random(0))
    tall = StridePath.parse("..........AABBB", SPACE.stage_layers)
    assert regression.of(tall) < regression.of(late) < regression.of(early)


def test_few_nets_are_no_evidence_and_many_are() -> None:
    """The loss is mostly chance: whether a wide map helps is open after 6 nets, and settled after 300."""
    chance = random.Random(1)
    seen = [(path, -columns(path) / 1000 + chance.gauss(0, 1)) for path in paths(300)]
    early, late = (StridePath.parse(text, SPACE.stage_layers) for text in ("AABBB", "BBBAA"))

    def late_is_better(count: int) -> int:
        drawn = [PathRegression(SPACE, seen[:count], random.Random(n)) for n in range(100)]
        return sum(regression.of(late) < regression.of(early) for regression in drawn)

    assert 10 < late_is_better(6) < 90
    assert late_is_better(300) > 90


def test_without_tendency_it_promises_nothing() -> None:
    alike = PathRegression(SPACE, [(path, 3.0) for path in paths(9)], random.Random(0))
    assert {alike.of(path) for path in paths(20)} == {0}
    one = paths(1)[0]
    assert PathRegression(SPACE, [(one, 3.0), (one, 3.0)], random.Random(0)).of(paths(2)[1]) == 0


def test_a_band_that_few_nets_are_in_is_met() -> None:
    """About one net of a thousand: random search draws in it too."""
    band = (600_000_000, 605_000_000)
    candidates = Candidates(SPACE, band, MACS, 0.5, 9)
    for seed in "abc":
        assert band[0] <= macs_of(candidates.draw(seed, set(), [], []), SPACE) <= band[1]
