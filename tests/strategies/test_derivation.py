"""From probabilities to one architecture that keeps to the budget."""

from __future__ import annotations

import itertools
import random

import pytest
import torch

from autostr_nni.search_spaces.errors import InputError
from autostr_nni.strategies.architecture_parameters import ArchitectureParameters
from autostr_nni.strategies.derivation import SampledUnderBudget, derive

MACS = [[100, 200, 300], [10, 500], [50, 60, 70]]


def parameters(rows: list[list[float]]) -> ArchitectureParameters:
    found = ArchitectureParameters(MACS, fixed_macs=1000)
    with torch.no_grad():
        for alpha, row in zip(found.alphas, rows, strict=True):
            alpha.copy_(torch.tensor(row))
    return found


COSTLY = [[0.0, 1.0, 2.0], [0.0, 1.0], [2.0, 1.0, 0.0]]  # argmax: (2, 1, 0), 1000 + 300 + 500 + 50 = 1850


def test_the_argmax_under_the_budget_is_taken_though_it_was_never_drawn():
    assert derive(parameters(COSTLY), SampledUnderBudget(1851)) == [2, 1, 0]


@pytest.mark.parametrize("budget", [1850, 1849, 1500])
def test_an_argmax_at_or_over_the_budget_is_never_returned(budget):
    arch = parameters(COSTLY)
    sampled = SampledUnderBudget(budget)
    for draw in itertools.product(range(3), range(2), range(3)):
        sampled.add(draw, arch.total_macs(draw))
    found = derive(arch, sampled)
    assert found != [2, 1, 0] and arch.total_macs(found) < budget
    under = [d for d in itertools.product(range(3), range(2), range(3)) if arch.total_macs(d) < budget]
    assert arch.log_probability(found) == pytest.approx(max(map(arch.log_probability, under)))


def test_only_what_was_drawn_counts():
    arch = parameters(COSTLY)
    sampled = SampledUnderBudget(1850)
    sampled.add([0, 0, 2], arch.total_macs([0, 0, 2]))
    sampled.add([1, 0, 1], arch.total_macs([1, 0, 1]))
    sampled.add([2, 1, 0], arch.total_macs([2, 1, 0]))  # over
    assert derive(arch, sampled) == [1, 0, 1]
    assert len(sampled.seen) == 2


def test_nothing_under_the_budget_is_an_error_that_says_what_to_do():
    sampled = SampledUnderBudget(1200)
    sampled.add([2, 1, 0], 1850)
    with pytest.raises(InputError, match=r"search\.operators\.budget_m.*raise"):
        derive(parameters(COSTLY), sampled)


def test_equal_architectures_are_chosen_by_rule_and_not_by_order():
    flat = parameters([[0.0, 0.0, 9.0], [0.0] * 2, [0.0] * 3])  # argmax: (2, 0, 0), 1360
    draws = [d for d in itertools.product(range(3), range(2), range(3)) if flat.total_macs(d) < 1300]
    assert len(draws) == 6
    found = set()
    for seed in range(5):
        sampled = SampledUnderBudget(1300)
        for draw in random.Random(seed).sample(draws, len(draws)):
            sampled.add(draw, flat.total_macs(draw))
        found.add(tuple(derive(flat, sampled)))
    assert len(found) == 1


def test_state_round_trip():
    sampled = SampledUnderBudget(1500)
    sampled.add([1, 0, 2], 1280)
    sampled.add((0, 0, 0), 1160)
    sampled.add([1, 0, 2], 1280)
    state = sampled.state_dict()
    assert state == [[0, 0, 0], [1, 0, 2]]
    again = SampledUnderBudget(1500)
    again.load_state_dict(state)
    assert again.seen == sampled.seen and again.state_dict() == state
    again.add([0, 0, 0], 1160)
    assert len(again.seen) == 2
