"""Stride paths and the set of feasible ones (Eq. 1 of the paper)."""

from __future__ import annotations

import itertools
import math
import pickle
import random
import time
from collections import Counter

import pytest
from scipy.stats import chisquare

from autostr_nni.search_spaces.path_set import PathSet
from autostr_nni.search_spaces.stride_path import LETTERS, StridePath
from autostr_nni.system.errors import InputError

PAPER = PathSet()
# Several mixtures of strides lead to the same factors; (4, 2) needs A twice, or E and C, and so on.
MIXED = PathSet(32, 64, 2, 16, 7, ((2, 2), (2, 1), (1, 2), (4, 2)))
THIRDS = PathSet(36, 12, 1, 2, 6, ((3, 3), (2, 2), (3, 1), (2, 1)))
SETS = [PAPER, MIXED, THIRDS, PathSet(16, 64, 1, 16, 5), PathSet(8, 8, 8, 8, 4), PathSet(2, 2, 1, 2, 1)]


def brute_force(paths: PathSet) -> list[StridePath]:
    """List a set by trying everything."""
    factors = (paths.height // paths.out_height, paths.width // paths.out_width)
    return [
        StridePath(strides)
        for strides in itertools.product((*paths.alphabet, (1, 1)), repeat=paths.layers)
        if (math.prod(s[0] for s in strides), math.prod(s[1] for s in strides)) == factors
    ]


def test_the_papers_set_has_30030_paths_ten_typical():
    paths = list(PAPER)
    assert PAPER.count() == len(paths) == len(set(paths)) == 30030
    for path in paths:
        assert path in PAPER
        assert Counter(path.strides) == {(2, 2): 2, (2, 1): 3, (1, 1): 10}
        assert path.resolutions(32, 100)[-1] == (1, 25)
    assert [path.text() for path in PAPER.typical()] == (
        ["AABBB", "ABABB", "ABBAB", "ABBBA", "BAABB", "BABAB", "BABBA", "BBAAB", "BBABA", "BBBAA"]
    )
    assert sum(path.is_typical() for path in paths) == 10


@pytest.mark.parametrize("paths", SETS[1:], ids=str)
def test_any_set_is_what_brute_force_finds(paths):
    listed = list(paths)
    assert listed == brute_force(paths)
    assert paths.count() == len(paths) == len(listed)
    assert [paths.at(place) for place in range(len(listed))] == listed


def test_a_set_too_large_to_list_is_counted_and_drawn_from():
    paths = PathSet(64, 100, 1, 25, 60)  # A twice, B four times among 60 layers
    assert paths.count() == math.comb(60, 2) * math.comb(58, 4)
    path = paths.sample(random.Random(0))
    assert path in paths
    deep = PathSet(32, 100, 1, 25, 2000)  # beyond Python's recursion limit
    assert deep.sample(random.Random(0)) in deep


@pytest.mark.parametrize("paths", [PAPER, MIXED, THIRDS], ids=str)
def test_draws_are_uniform(paths):
    def part(path: StridePath) -> tuple[str, int]:
        """The mixture of strides, and the thirds where the first and last downsampling stand."""
        full = path.full_text
        places = [place for place, letter in enumerate(full) if letter != "."]
        return "".join(sorted(full)), 3 * places[0] // len(full) * 3 + 3 * places[-1] // len(full)

    rng = random.Random(2)
    draws = 100_000
    found = Counter(part(paths.sample(rng)) for _ in range(draws))
    expected = Counter(map(part, paths))
    assert found.keys() <= expected.keys()
    keys = list(expected)
    assert len(keys) >= 3
    result = chisquare([found[key] for key in keys], [draws * expected[key] / paths.count() for key in keys])
    assert result.pvalue > 0.001
    if paths is not PAPER:  # small enough to test every single path
        single = Counter(paths.sample(rng) for _ in range(draws))
        assert chisquare([single[path] for path in paths]).pvalue > 0.001


def test_draws_are_cheap_and_follow_the_seed():
    best = math.inf
    for _ in range(3):
        rng = random.Random(0)
        start = time.process_time()
        for _ in range(100_000):
            PAPER.sample(rng)
        best = min(best, time.process_time() - start)
    assert best < 1.0
    first, second = random.Random(5), random.Random(5)
    assert [PAPER.sample(first) for _ in range(9)] == [PAPER.sample(second) for _ in range(9)]


@pytest.mark.parametrize("paths", [PathSet(16, 64, 1, 16, 5), THIRDS], ids=str)
def test_neighbours_differ_in_two_layers(paths):
    every = list(paths)
    for path in every[:: max(1, len(every) // 50)]:
        near = paths.neighbours(path)
        assert len(set(near)) == len(near)
        expected = {
            other
            for other in every
            if sum(a != b for a, b in zip(path.strides, other.strides, strict=True)) == 2
        }
        assert set(near) == expected


def test_neighbours_move_one_downsampling_or_swap_two():
    path = StridePath.parse("AABBB")
    near = PAPER.neighbours(path)
    assert all(other in PAPER for other in near)
    assert len(near) == 5 * 10 + 2 * 3
    assert StridePath.parse("ABABB") in near and StridePath.parse("A...A.B..B..B..") in near


def test_texts():
    path = StridePath.parse("ABABB")
    assert path == StridePath.parse("A..B..A..B..B..")
    assert path.full_text == "A..B..A..B..B.." and path.text() == str(path) == "ABABB"
    moved = StridePath.parse("A..B..A..B...B.")
    assert moved.text() == moved.full_text and moved not in PAPER.typical()
    aster = StridePath.parse("AABBB", (3, 4, 6, 6, 3))
    assert len(aster) == 22 and aster.text((3, 4, 6, 6, 3)) == "AABBB" and aster.text() == aster.full_text
    # A stage may keep the size: four halvings of the height in five stages.
    assert "A.ABB" in [short.text() for short in PathSet(16, 100, 1, 25).typical()]
    assert {StridePath.parse(letter, (1,)).strides[0] for letter in LETTERS} == set(LETTERS.values())
    assert path.resolutions(32, 100)[3] == (8, 50) and len(path.resolutions(32, 100)) == 15
    assert StridePath.parse("AA", (1, 1)).resolutions(5, 7) == ((3, 4), (2, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ABAB", "has 4 characters; write 5, one per stage, or 15, one per layer"),
        ("ABXBB", "has 'X'"),
        ("ababb", "has 'a'"),
        ("", "has 0 characters"),
        (7, "must be text"),
    ],
)
def test_bad_texts_are_explained(text, message):
    with pytest.raises(InputError, match=message):
        StridePath.parse(text)


def test_membership_says_why_not():
    assert "15" in (PAPER.why_not(StridePath.parse("AABBB", (1,) * 5)) or "")
    assert "multiply to 32 in height and 8 in width" in (PAPER.why_not(StridePath.parse("AAABB")) or "")
    assert "layer 1" in (PAPER.why_not(StridePath.parse("CABBB")) or "")
    assert "AABBB" not in PAPER
    with pytest.raises(IndexError):
        PAPER.at(30030)


def test_impossible_sets_are_refused():
    with pytest.raises(InputError, match="height 31 must be a positive multiple of out_height 2"):
        PathSet(31, 100, 2, 25)
    with pytest.raises(InputError, match="layers"):
        PathSet(layers=0)
    with pytest.raises(InputError, match=r"\(5, 5\)"):
        PathSet(alphabet=((5, 5),))
    with pytest.raises(InputError, match="layer 2"):
        StridePath(((1, 1), (9, 9)))
    assert PathSet(layers=3).count() == 0
    with pytest.raises(InputError, match="holds no path"):
        PathSet(layers=3).sample(random.Random(0))
    with pytest.raises(InputError, match="add up to 15"):
        PAPER.typical((3, 3))


def test_pickles_are_small():
    PAPER.sample(random.Random(0))
    data = pickle.dumps(PAPER)
    assert len(data) < 1000 and pickle.loads(data) == PAPER
