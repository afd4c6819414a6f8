"""What stride paths promise: by belief, and by the losses of others."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest

from autostr_nni.search_spaces.drawing.promise import PathPromise, draw_paths
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

SPACE = SearchSpace()
MOST = 300_000_000
EARLY, LATE = (StridePath.parse(text, SPACE.stage_layers) for text in ("AABBB", "BBBAA"))


def columns(path: StridePath) -> int:
    return sum(width for _, width in path.resolutions(SPACE.height, SPACE.width))


def rows(path: StridePath) -> int:
    return sum(height for height, _ in path.resolutions(SPACE.height, SPACE.width))


def paths(count: int, seed: int = 0) -> list[StridePath]:
    rng = random.Random(seed)
    return [SPACE.sample(rng).path for _ in range(count)]


def promise(losses: list[tuple[StridePath, float]], seed: int = 0) -> PathPromise:
    return PathPromise(SPACE, paths(16, 7), losses, random.Random(seed))


def late_is_better(losses: list[tuple[StridePath, float]]) -> int:
    """How many of a hundred draws say so."""
    drawn = [promise(losses, seed) for seed in range(100)]
    return sum(one.of(LATE) < one.of(EARLY) for one in drawn)


def test_before_any_net_was_seen_width_is_believed_in_and_not_by_every_draw() -> None:
    assert 85 < late_is_better([]) < 100


@pytest.mark.parametrize("sign", [1, -1])
def test_learns_which_way_the_width_matters(sign: int) -> None:
    seen, others = paths(90)[:60], paths(90)[60:]
    found = promise([(path, 10 + sign * columns(path) / 100) for path in seen])
    best = min(others, key=found.of)
    rank = sorted(others, key=lambda path: sign * columns(path)).index(best)
    assert rank < 3


def test_few_nets_against_belief_are_no_evidence_and_many_are() -> None:
    """The loss is mostly chance, and a wide map harms."""
    chance = random.Random(1)
    seen = [(path, columns(path) / 1000 + chance.gauss(0, 1)) for path in paths(300)]
    assert fmean(late_is_better(seen[few : few + 4]) for few in range(0, 40, 4)) > 50
    assert late_is_better(seen) < 10


def test_of_two_numbers_each_has_its_own_weight() -> None:
    seen = [(path, float(-rows(path) - columns(path))) for path in paths(40)]
    found = promise(seen)
    tall = StridePath.parse("..........AABBB", SPACE.stage_layers)
    assert found.of(tall) < found.of(LATE) < found.of(EARLY)


def test_equal_losses_and_equal_paths_leave_the_belief() -> None:
    assert late_is_better([(path, 3.0) for path in paths(9)]) > 85
    one = paths(1)[0]
    alike = PathPromise(SPACE, [one, one], [(one, 3.0), (one, 3.0)], random.Random(0))
    assert math.isfinite(alike.of(one))  # no division by the spread of what does not differ


def test_the_paths_of_step_1_are_those_of_promise() -> None:
    rng = random.Random(0)
    any_paths = [sample_within(SPACE, rng, MOST).path for _ in range(100)]
    drawn = draw_paths(SPACE, random.Random(0), 12, MOST)
    assert len(set(drawn)) == 12
    assert fmean(map(columns, drawn)) > 1.1 * fmean(map(columns, any_paths))
    assert drawn == draw_paths(SPACE, random.Random(0), 12, MOST)
    promised = [PathPromise(SPACE, any_paths, (), None).of(path) for path in drawn]
    assert fmean(promised[:4]) < fmean(promised[4:8]) < fmean(promised[8:])  # the most promising first


def test_the_only_path_is_one_of_the_best() -> None:
    """Whatever the seed: its net is all that a search at few images has."""
    any_paths = [sample_within(SPACE, random.Random(seed), MOST).path for seed in range(200)]
    likeliest = PathPromise(SPACE, any_paths, (), None)
    best_tenth = sorted(map(likeliest.of, any_paths))[20]
    assert all(likeliest.of(draw_paths(SPACE, random.Random(s), 1, MOST)[0]) < best_tenth for s in range(20))


def test_more_paths_than_there_are() -> None:
    small = SearchSpace(height=4, width=8, out_width=2, stem_width=8, stage_widths=(8,), stage_layers=(3,))
    with pytest.raises(InputError, match=r"met on \d+ paths alone, not on 99; ask for fewer"):
        draw_paths(small, random.Random(0), 99, MOST)
