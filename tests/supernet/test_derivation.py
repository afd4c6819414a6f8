"""From probabilities to one architecture that keeps to the budget."""

from __future__ import annotations

import itertools
import random

import pytest
import torch

from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.budget import most_probable_within
from autostr_nni.supernet.derivation import derive, derive_several
from autostr_nni.system.errors import InputError

MACS = [[100, 200, 300], [10, 500], [50, 60, 70]]
ALL = list(itertools.product(range(3), range(2), range(3)))


def parameters(rows: list[list[float]]) -> ArchitectureParameters:
    found = ArchitectureParameters(MACS, fixed=1000)
    with torch.no_grad():
        for alpha, row in zip(found.alphas, rows, strict=True):
            alpha.copy_(torch.tensor(row))
    return found


COSTLY = [[0.0, 1.0, 2.0], [0.0, 1.0], [2.0, 1.0, 0.0]]  # argmax: (2, 1, 0), 1000 + 300 + 500 + 50 = 1850


def test_the_argmax_within_the_budget_is_taken():
    assert derive(parameters(COSTLY), 1850) == [2, 1, 0]


@pytest.mark.parametrize("budget", range(1160, 1850, 10))
def test_over_the_budget_the_most_probable_of_all_within_is_taken(budget):
    arch = parameters(COSTLY)
    found = derive(arch, budget)
    within = [net for net in ALL if arch.total(net) <= budget]
    assert arch.total(found) <= budget
    assert arch.log_probability(found) == pytest.approx(max(map(arch.log_probability, within)))


@pytest.mark.parametrize("seed", range(30))
def test_the_most_probable_is_that_of_all(seed):
    """Random layers, also with equal MACs and equal probabilities, and every budget that matters."""
    rng = random.Random(seed)
    macs = [[rng.choice([0, 3, 5, 7, 11, 20]) for _ in range(rng.randint(1, 4))] for _ in range(5)]
    log_p = [[rng.choice([-0.5, -1.0, -2.0, -rng.random()]) for _ in layer] for layer in macs]
    nets = list(itertools.product(*(range(len(layer)) for layer in macs)))
    costs = {net: sum(layer[i] for layer, i in zip(macs, net, strict=True)) for net in nets}
    scores = {net: sum(layer[i] for layer, i in zip(log_p, net, strict=True)) for net in nets}
    for room in sorted(set(costs.values())):
        found = tuple(most_probable_within(log_p, macs, room))
        best = max(score for net, score in scores.items() if costs[net] <= room)
        assert costs[found] <= room and scores[found] == pytest.approx(best, abs=1e-12)
        equal = [costs[net] for net in nets if scores[net] >= best - 1e-12 and costs[net] <= room]
        assert costs[found] == min(equal)


def test_the_papers_space_at_its_budget():
    """As many layers agree with the argmax as can: far more than of the best of many draws."""
    space = SearchSpace()
    path = space.typical_paths()[-1]
    macs = [list(layer.values()) for layer in Price().table(path, space)]
    arch = ArchitectureParameters(macs, Price().fixed(space), 2.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for alpha, layer in zip(arch.alphas, macs, strict=True):
            alpha += 2 * torch.tensor(layer) / max(layer)
    budget = 450_000_000
    best, found = arch.most_probable(), derive(arch, budget)
    assert arch.total(best) > budget >= arch.total(found) > 0.97 * budget
    generator = torch.Generator().manual_seed(1)
    drawn = max((arch.draw(generator, budget=budget) for _ in range(200)), key=arch.log_probability)
    assert arch.log_probability(found) > arch.log_probability(drawn) + 1
    alike = [sum(a == b for a, b in zip(net, best, strict=True)) for net in (found, drawn)]
    assert alike[0] >= 9 and alike[0] > alike[1]


def test_nothing_within_the_budget_is_an_error_that_says_what_to_do():
    message = r"search\.operators\.budget_m: .* 1e-05 M MACs over the budget; raise the budget"
    with pytest.raises(InputError, match=message):
        derive(parameters(COSTLY), 1150)
    with pytest.raises(InputError, match=message):
        parameters(COSTLY).draw(torch.Generator(), budget=1150)
    assert derive(parameters(COSTLY), 1160) == [0, 0, 0]


def test_equal_architectures_are_chosen_by_rule():
    flat = parameters([[0.0, 0.0, 9.0], [0.0] * 2, [0.0] * 3])  # argmax: (2, 0, 0), 1360
    assert derive(flat, 1300) == [0, 0, 0]


def test_several_are_distinct_within_the_budget_and_begin_with_the_most_probable():
    arch = parameters(COSTLY)
    found = derive_several(arch, 1500, 5, torch.Generator().manual_seed(3))
    assert found[0] == derive(arch, 1500) and len({tuple(net) for net in found}) == len(found) == 5
    assert all(arch.total(net) <= 1500 for net in found)
    assert found == derive_several(arch, 1500, 5, torch.Generator().manual_seed(3))


def test_decided_operations_give_fewer():
    decided = parameters([[99.0, 0.0, 0.0], [99.0, 0.0], [99.0, 0.0, 0.0]])
    assert derive_several(decided, 1850, 5, torch.Generator().manual_seed(0)) == [[0, 0, 0]]
