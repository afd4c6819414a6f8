"""Architectures drawn under a budget: all of those within it, to the last MAC, and none beyond."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from autostr_nni.search_spaces.counting import Price, backbone_costs, total
from autostr_nni.search_spaces.drawing.largest import largest_within
from autostr_nni.search_spaces.drawing.within import macs_of, sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError
from tests.tiny_space import TINY as SPACE

MACS = {SPACE.at(place): total(backbone_costs(SPACE.at(place), SPACE)).macs for place in range(SPACE.size())}


@pytest.mark.parametrize("less", [0, 1])
def test_a_budget_holds_what_needs_all_of_it_and_nothing_that_needs_more(less: int) -> None:
    limit = sorted(set(MACS.values()))[len(set(MACS.values())) // 2] - less
    within = {net for net, macs in MACS.items() if macs <= limit}
    rng = random.Random(0)
    drawn = Counter(sample_within(SPACE, rng, limit) for _ in range(60 * len(within)))
    assert set(drawn) == within
    assert min(drawn.values()) > 25 and max(drawn.values()) < 110


def test_paths_are_kept_and_each_net_on_them_has_the_same_chance() -> None:
    """The paths differ in where a layer may be skipped: each has half of the draws."""
    paths = list(SPACE.paths)[:2]
    nets = [net for net in MACS if net.path in paths]
    rng = random.Random(1)
    drawn = Counter(SPACE.sample(rng, paths) for _ in range(100 * len(nets)))
    assert set(drawn) == set(nets) and min(drawn.values()) > 60 and max(drawn.values()) < 140
    shares = Counter(net.path for net in drawn.elements())
    assert shares[paths[0]] / drawn.total() == pytest.approx(0.5, abs=0.04)


def test_below_the_smallest_there_is_nothing_to_draw() -> None:
    assert Price().smallest(SPACE) == min(MACS.values())
    assert MACS[sample_within(SPACE, random.Random(0), Price().smallest(SPACE))] == Price().smallest(SPACE)
    with pytest.raises(InputError, match="too small to draw under"):
        sample_within(SPACE, random.Random(0), Price().smallest(SPACE) - 1)


def test_a_band_has_two_ends() -> None:
    some = sorted(set(MACS.values()))
    low, high = some[len(some) // 4], some[len(some) // 2]
    within = {net for net, macs in MACS.items() if low <= macs <= high}
    rng = random.Random(0)
    assert {sample_within(SPACE, rng, high, least=low) for _ in range(60 * len(within))} == within
    with pytest.raises(InputError, match=r"a band of .* to .* M MACs holds too few architectures"):
        sample_within(SPACE, rng, some[1] - 1, least=some[0] + 1)


def test_the_largest_net_is_the_one_of_all_that_are_listed() -> None:
    rng = random.Random(0)
    limits = {macs + more for macs in MACS.values() for more in (0, -1)}
    for limit in limits - {min(MACS.values()) - 1}:
        found = largest_within(SPACE, rng, limit)
        assert MACS[found] == max(macs for macs in MACS.values() if macs <= limit)
    with pytest.raises(InputError, match="too small: the smallest architecture"):
        largest_within(SPACE, rng, min(MACS.values()) - 1)


def test_the_largest_net_keeps_to_paths_and_is_any_of_equal_ones() -> None:
    paths = list(SPACE.paths)[1:2]
    on_them = {net: macs for net, macs in MACS.items() if net.path in paths}
    limit = sorted(on_them.values())[-2]
    best = {net for net, macs in on_them.items() if macs == max(m for m in on_them.values() if m <= limit)}
    found = {largest_within(SPACE, random.Random(seed), limit, paths) for seed in range(60)}
    assert found == best


def test_the_largest_net_where_macs_have_no_large_divisor() -> None:
    """The paper's space at widths that share no factor: within a hair of the budget, never over it."""
    space = SearchSpace(stem_width=31, stage_widths=(31, 67, 127, 251, 509))
    found = macs_of(largest_within(space, random.Random(0), 449_999_999), space)
    assert 449_998_000 < found <= 449_999_999


def test_the_largest_net_of_a_space_beyond_all_floats() -> None:
    """Hundreds of layers have more nets than a float can count."""
    deep = SearchSpace(stem_width=1, stage_widths=(1,) * 8, stage_layers=(45,) * 8)
    limit = 10_000_000
    net = largest_within(deep, random.Random(0), limit)
    assert 0.99 * limit < Price().of(net, deep) <= limit
