"""Draws, derivation and ranking under a budget of latencies, and what they say where it is too small."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.halving import Halving
from autostr_nni.strategies.ladder import Ladder
from autostr_nni.strategies.random_search import RandomSearch
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.derivation import derive, derive_several
from autostr_nni.supernet.evolution import Ranked, next_net
from autostr_nni.supernet.fair_draws import FairDraws
from autostr_nni.system.errors import InputError
from tests.made_table import made_price

SPACE = SearchSpace(stem_width=8, stage_widths=(8, 8, 16, 16, 16), stage_layers=(2, 1, 1, 1, 1))
PRICE = made_price(SPACE)
rng = random.Random(0)
SOME = sorted(PRICE.of(SPACE.sample(rng), SPACE) for _ in range(200))
BUDGET = SOME[60]
PATH = SPACE.typical_paths()[0]
TABLE = PRICE.table(PATH, SPACE)


def parameters(seed: int) -> ArchitectureParameters:
    costs = [list(layer.values()) for layer in TABLE]
    generator = torch.Generator().manual_seed(seed)
    return ArchitectureParameters(costs, PRICE.fixed(SPACE), 3.0, generator, PRICE)


def test_the_budget_tells_other_nets_than_one_of_macs() -> None:
    nets = [SPACE.sample(rng) for _ in range(300)]
    by_macs = sorted(macs_of(net, SPACE) for net in nets)[90]
    within = [(PRICE.of(net, SPACE) <= BUDGET, macs_of(net, SPACE) <= by_macs) for net in nets]
    assert min(Counter(within).values()) > 20 and len(Counter(within)) == 4


@pytest.mark.parametrize("seed", range(5))
def test_operator_searches_derive_and_draw_within_it(seed: int) -> None:
    arch, generator = parameters(seed), torch.Generator().manual_seed(seed)
    least = PRICE.fixed(SPACE) + sum(min(layer.values()) for layer in TABLE)
    budget = (
        least
        + (arch.total([max(range(len(layer)), key=layer.__getitem__) for layer in arch.costs]) - least) // 4
    )
    best, *others = derive_several(arch, budget, 4, generator)
    assert best == derive(arch, budget) and arch.total(best) <= budget
    assert all(arch.total(net) <= budget for net in others)
    for uniform in (False, True):
        drawn = [arch.total(arch.draw(generator, uniform, budget)) for _ in range(50)]
        assert max(drawn) <= budget < max(arch.total(arch.draw(generator, uniform)) for _ in range(50))


def test_the_regulariser_grows_with_the_latency() -> None:
    """Eq. 3 in nanoseconds: equal to 1 where the blocks are expected to take as long as G."""
    arch = ArchitectureParameters([[1_000_000, 3_000_000], [1_000_000]], 500_000, 0.0, price=PRICE)
    assert arch.regulariser(3e6, 0.6).item() == pytest.approx(1.0)
    assert arch.regulariser(4e6, 0.6).item() < 1 and arch.expected() == 3_500_000
    value = arch.regulariser(4e6, 0.6)
    (slope, _) = torch.autograd.grad(value, list(arch.alphas))
    assert slope[1] > 0 > slope[0]


def test_random_and_halving_keep_to_it() -> None:
    search = RandomSearch(SPACE, 20, 0, BUDGET, least=SOME[20], largest=True, price=PRICE)
    halving = Halving(SPACE, Ladder((1, 2)), 8, 0, BUDGET, least=SOME[20], price=PRICE)
    while not halving.finished:
        for proposal in halving.suggest():
            halving.observe(proposal.id, {"loss": rng.random(), "default": 0.5})
    for strategy in (search, halving):
        nets = [Architecture.from_parameters(trial.parameters, SPACE) for trial in strategy.trials]
        costs = [PRICE.of(net, SPACE) for net in nets]
        assert len(costs) > 8 and SOME[20] <= min(costs) and max(costs) <= BUDGET
    assert PRICE.of(Architecture.from_parameters(search.trials[0].parameters, SPACE), SPACE) > 0.999 * BUDGET


def test_one_shot_draws_and_ranks_within_it() -> None:
    draws = FairDraws(SPACE, 0, BUDGET, 20, 50, PRICE)
    costs = [PRICE.of(draws.at(step), SPACE) for step in range(200)]
    assert 0.9 * BUDGET < max(costs) <= BUDGET
    found: list[Ranked] = []
    while len(found) < 30:
        net = next_net(SPACE, found, 0, (SOME[20], BUDGET), 10, price=PRICE)
        assert net is not None
        found.append(Ranked(net, rng.random()))
    assert all(SOME[20] <= PRICE.of(one.net, SPACE) <= BUDGET for one in found)


def test_what_is_too_small_says_so_in_its_unit() -> None:
    arch = parameters(0)
    with pytest.raises(
        InputError, match=r"^search\.cost\.budget: the smallest net on this path is .* ms over the budget"
    ):
        derive(arch, PRICE.fixed(SPACE))
    with pytest.raises(
        InputError, match=r"a budget of 0\.2 ms is too small to draw under: the smallest .* ms$"
    ):
        RandomSearch(SPACE, 2, 0, 200_000, price=PRICE)
    with pytest.raises(InputError, match=r"no net has .* ms; the largest of them has .* ms$"):
        RandomSearch(SPACE, 2, 0, BUDGET + 1, [PATH], least=BUDGET + 1, price=PRICE)
    few = SearchSpace(
        height=4, width=8, out_width=2, stage_widths=(4,), stage_layers=(2,), operations=("k3e1", "skip")
    )
    with pytest.raises(InputError, match=r"lower the count or raise search\.cost\.budget"):
        RandomSearch(few, few.size() + 1, 0, 10**9, price=made_price(few))
    with pytest.raises(InputError, match=r"no net with 1000 to 1000 ms was met; widen the band"):
        Halving(few, Ladder((1,)), 1, 0, 10**9, least=10**9, price=made_price(few))
