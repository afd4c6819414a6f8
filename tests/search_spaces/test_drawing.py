"""Architectures drawn under a budget: all of those within it, to the last MAC, and none beyond."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from autostr_nni.search_spaces.counting import backbone_costs, smallest_macs, total
from autostr_nni.search_spaces.drawing import sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError

SPACE = SearchSpace(
    height=4,
    width=8,
    out_width=2,
    stem_width=8,
    stage_widths=(8,),
    stage_layers=(3,),
    operations=("k3e1", "k3e3", "skip"),
)
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
    assert smallest_macs(SPACE) == min(MACS.values())
    assert MACS[sample_within(SPACE, random.Random(0), smallest_macs(SPACE))] == smallest_macs(SPACE)
    with pytest.raises(InputError, match="too small to draw under"):
        sample_within(SPACE, random.Random(0), smallest_macs(SPACE) - 1)
