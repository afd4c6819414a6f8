"""Draws within a budget: by the probabilities of what is within it, and like all others where it is wide."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
import torch

from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet import budget
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters

MACS = [[100, 200, 300], [0, 500], [50, 60, 70, 90]]
ALL = list(itertools.product(range(3), range(2), range(4)))
DRAWS = 1500


def make(init: float = 1.5) -> ArchitectureParameters:
    return ArchitectureParameters(MACS, 1000, init, torch.Generator().manual_seed(3))


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("limit", [1150, 1260, 1700, 5000])
def test_draws_have_the_probabilities_that_nets_within_have_among_themselves(limit, uniform):
    arch, generator = make(), torch.Generator().manual_seed(0)
    counts = Counter(tuple(arch.draw(generator, uniform, limit)) for _ in range(DRAWS))
    chances = {
        net: 1.0 if uniform else math.exp(arch.log_probability(net))
        for net in ALL
        if arch.total(net) <= limit
    }
    assert set(counts) <= set(chances)
    total = sum(chances.values())
    expected = {net: DRAWS * chance / total for net, chance in chances.items()}
    surprise = sum((counts[net] - mean) ** 2 / mean for net, mean in expected.items())
    freedom = len(chances) - 1
    assert surprise < freedom + 5 * math.sqrt(2 * freedom) + 1e-9  # chi-square: mean n, variance 2n


def test_where_the_budget_is_wide_draws_are_those_without_one():
    arch, a, b = make(), torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    assert [arch.draw(a) for _ in range(50)] == [arch.draw(b, budget=1890) for _ in range(50)]
    assert torch.equal(a.get_state(), b.get_state())


def test_the_smallest_net_is_drawn_where_nothing_else_fits():
    space = SearchSpace()
    path = space.typical_paths()[0]
    macs = [list(layer.values()) for layer in Price().table(path, space)]
    arch = ArchitectureParameters(macs, Price().fixed(space), 3.0, torch.Generator().manual_seed(0))
    least = [layer.index(min(layer)) for layer in macs]
    for uniform in (False, True):
        assert arch.draw(torch.Generator().manual_seed(0), uniform, arch.total(least)) == least


@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_the_papers_space_under_a_tight_budget(spread):
    """Where one draw in a million would keep to it, and where probabilities are as good as 0 or 1."""
    space = SearchSpace()
    path = space.typical_paths()[0]
    macs = [list(layer.values()) for layer in Price().table(path, space)]
    arch = ArchitectureParameters(macs, Price().fixed(space), spread, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    totals = {arch.total(arch.draw(generator, budget=30_000_000)) for _ in range(20)}
    assert 20_000_000 < max(totals) <= 30_000_000 and min(totals) > 10_000_000


def test_macs_without_a_common_divisor_are_counted_in_fine_steps(monkeypatch):
    """No draw is over the budget, and next to nothing within it is left out."""
    monkeypatch.setattr(budget, "_STEPS", 500)
    rng = random.Random(0)
    macs = [[0, *(rng.randrange(1, 10**6) for _ in range(3))] for _ in range(4)]
    nets = list(itertools.product(range(4), repeat=4))
    costs = {net: sum(layer[i] for layer, i in zip(macs, net, strict=True)) for net in nets}
    room = sorted(costs.values())[100]
    log_p = [[0.0] * 4] * 4

    def choose(weights):
        return rng.choices(range(len(weights)), weights)[0]

    drawn = Counter(tuple(budget.draw_within(log_p, macs, room, choose)) for _ in range(3000))
    assert max(costs[net] for net in drawn) <= room
    assert len(drawn) >= 95 and max(drawn.values()) < 3 * 3000 / 100
