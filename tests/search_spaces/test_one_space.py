"""One space: trials' nets and the supernet are the NNI model space, and its strategies keep to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from nni.mutable import SampleValidationError
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import DARTS, GridSearch, Proxyless, Random, RandomOneShot, RegularizedEvolution
from numpy.random import RandomState
from torch import nn

from autostr_nni.models.backbone import build_stem, initialise
from autostr_nni.models.operations import build_operation
from autostr_nni.nas.evolution import NeighbourEvolution
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.nni_space import AutoSTRSpace, architecture_of, frozen_net
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.random_search import RandomSearch
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.supernet.budget import most_probable_within
from autostr_nni.supernet.supernet import Supernet
from tests.made_table import made_price

SMALL = SearchSpace(
    height=8,
    width=16,
    out_height=1,
    out_width=4,
    stem_width=4,
    stage_widths=(4, 4, 8),
    stage_layers=(2, 1, 2),
    operations=("k3e1", "k5e3", "skip"),
)
BUDGET_M = 0.08
PROPOSALS = 1000


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


def plain(candidates: list[list[str]], strides: Any) -> nn.Module:
    """Stem and candidates in order, as they were built before there was one space."""
    net = nn.Module()
    net.stem = build_stem(SMALL.stem_width)
    layers = zip(candidates, SMALL.layer_widths, strides, strict=True)
    net.blocks = nn.ModuleList(
        nn.ModuleDict({name: build_operation(name, *widths, stride) for name in names})
        for names, widths, stride in layers
    )
    initialise(net)
    return net


@pytest.mark.parametrize("seed", range(3))
def test_a_frozen_sample_has_the_weights_of_a_net_built_by_hand(seed: int) -> None:
    architecture = SMALL.sample(random.Random(seed))
    sample = architecture.to_parameters()
    torch.manual_seed(seed)
    by_hand = plain([[name] for name in architecture.operations], architecture.path.strides)
    expected = {
        key.replace(f".{architecture.operations[int(key.split('.')[1])]}.", ".", 1)
        if key.startswith("blocks.")
        else key: value
        for key, value in by_hand.state_dict().items()
    }
    for freeze in (AutoSTRSpace(SMALL).freeze, lambda _: frozen_net(architecture, SMALL)):
        torch.manual_seed(seed)
        assert same(freeze(sample).state_dict(), expected)


def test_the_supernet_is_the_space_on_a_path_and_takes_the_weights_of_earlier_versions() -> None:
    path = SMALL.typical_paths()[0]
    torch.manual_seed(1)
    supernet = Supernet(path, SMALL)
    torch.manual_seed(1)
    space = AutoSTRSpace(SMALL, path=path.text(SMALL.stage_layers))
    torch.manual_seed(1)
    names = [list(SMALL.candidates(path, layer)) for layer in range(1, SMALL.layers + 1)]
    expected = plain(names, path.strides).state_dict()
    assert same(supernet.state_dict(), expected) and same(space.state_dict(), expected)
    numbered = {}
    for key, value in expected.items():
        parts = key.split(".")
        if parts[0] == "blocks":
            parts[2:3] = ["operations", str(names[int(parts[1])].index(parts[2]))]
        numbered[".".join(parts)] = value + 1
    supernet.load_state_dict(numbered)
    assert same(supernet.state_dict(), {key: value + 1 for key, value in expected.items()})


def proposals(strategy: Any, space: Any) -> list[dict[str, Any]]:
    """1 000 proposals, those that mutate with the newest hundred as their population."""
    from nni.nas.strategy.evolution import Individual

    found: list[dict[str, Any]] = []
    strategy._model_space = space
    evolves = isinstance(strategy, RegularizedEvolution)
    for number in range(PROPOSALS):
        if not evolves:
            model = strategy._retry_helper.retry(strategy.random, space)
        else:
            draw = strategy.random if number < 20 else strategy.new_individual
            model = strategy._retry_helper.retry(draw)
            strategy._population.append(Individual(model.sample, random.Random(number).random()))
            if len(strategy._population) > 100:
                strategy._population.popleft()
        found.append(model.sample)
    return found


@pytest.mark.parametrize(
    "strategy",
    [
        lambda: Random(seed=1, dedup=False),
        lambda: RegularizedEvolution(population_size=100, mutation_prob=0.3, seed=1, dedup=False),
        lambda: NeighbourEvolution(population_size=100, seed=1, dedup=False),
    ],
    ids=["random", "evolution", "neighbours"],
)
def test_proposals_keep_to_paths_and_budget(strategy: Any) -> None:
    space = SimplifiedModelSpace.from_model(
        AutoSTRSpace(SMALL, budget_m=BUDGET_M), FunctionalEvaluator(print)
    )
    found = [architecture_of(sample, SMALL) for sample in proposals(strategy(), space)]
    assert len(found) == PROPOSALS
    macs = [macs_of(net, SMALL) for net in found]
    assert max(macs) <= BUDGET_M * 1e6
    drawn = [SMALL.sample(random.Random(seed)) for seed in range(200)]
    assert max(macs_of(net, SMALL) for net in drawn) > BUDGET_M * 1e6  # the budget does bind


def test_mutants_are_neighbours() -> None:
    path = AutoSTRSpace(SMALL).path
    state = RandomState(0)
    kinds = set()
    for seed in range(100):
        parent = SMALL.sample(random.Random(seed))
        child = architecture_of(path.mutate(parent.to_parameters(), state), SMALL)
        moved = sum(a != b for a, b in zip(parent.path.strides, child.path.strides, strict=True))
        changed = sum(a != b for a, b in zip(parent.operations, child.operations, strict=True))
        assert moved == 2 or (moved, changed) == (0, 1)
        kinds.add(moved)
    assert kinds == {0, 2}


def test_a_net_over_the_budget_is_refused() -> None:
    dear = SMALL.default_architecture(SMALL.typical_paths()[-1], "k5e3").to_parameters()
    with pytest.raises(SampleValidationError, match="over the budget of 0.01 M"):
        AutoSTRSpace(SMALL, budget_m=0.01).freeze(dear)


@pytest.mark.parametrize("strategy", [DARTS, Proxyless, RandomOneShot])
def test_one_shot_strategies_take_the_space_on_a_path(strategy: Any) -> None:
    text = SMALL.typical_paths()[0].text(SMALL.stage_layers)
    supernet = strategy().mutate_model(AutoSTRSpace(SMALL, path=text))
    sample: dict[str, Any] = {}
    for block in supernet.blocks:
        sample.update(block.resample({}))
    supernet(torch.randn(2, 3, 8, 16)).sum().backward()
    exported = {key: value for block in supernet.blocks for key, value in block.export({}).items()}
    architecture = supernet.architecture_of(exported)
    assert architecture.path.text(SMALL.stage_layers) == text
    assert supernet.freeze(exported)(torch.zeros(1, 3, 8, 16)).shape == (1, 4, 8)


@cache
def every_net() -> set[str]:
    """All that is searched, listed without NNI: the nets of all paths within the budget."""
    nets = (
        Architecture(path, operations, SMALL.stage_layers)
        for path in SMALL.paths
        for operations in product(*(SMALL.candidates(path, layer) for layer in range(1, SMALL.layers + 1)))
    )
    return {net.text for net in nets if macs_of(net, SMALL) <= BUDGET_M * 1e6}


def test_a_grid_search_meets_every_net_within_the_budget_once() -> None:
    space = SimplifiedModelSpace.from_model(
        AutoSTRSpace(SMALL, budget_m=BUDGET_M), FunctionalEvaluator(print)
    )
    models = GridSearch(shuffle=False, dedup=False)._grid_generator(space)
    found = [architecture_of(model.sample, SMALL).text for model in models]
    assert len(found) > PROPOSALS and len(set(found)) == len(found)
    assert set(found) == every_net()


def test_our_random_search_keeps_to_the_same_space() -> None:
    space = AutoSTRSpace(SMALL, budget_m=BUDGET_M)
    strategy = RandomSearch(SMALL, PROPOSALS, 0, most=round(BUDGET_M * 1e6))
    asked = strategy.suggest()
    assert len(asked) == PROPOSALS
    for proposal in asked:
        space.validate(proposal.parameters)
    assert {space.architecture_of(proposal.parameters).text for proposal in asked} < every_net()


def two_steps(seed: int) -> Iterator[dict[str, Any]]:
    """The parameters of all trials of a two-step search whose losses and probabilities are drawn."""
    rng = random.Random(seed)
    strategy = TwoStep(SMALL, list(SMALL.paths))
    while not strategy.finished:
        for proposal in strategy.suggest():
            metrics: dict[str, Any] = {"default": 0.5, "loss": rng.random()}
            if proposal.parameters["step"] == "operators":
                path = StridePath.parse(proposal.parameters["stride_path"], SMALL.stage_layers)
                table = [list(costs.items()) for costs in MACS.table(path, SMALL)]
                chances = [[rng.gauss(0, 1) for _ in layer] for layer in table]
                room = round(BUDGET_M * 1e6) - MACS.fixed(SMALL)
                chosen = most_probable_within(chances, [[cost for _, cost in layer] for layer in table], room)
                names = tuple(layer[place][0] for layer, place in zip(table, chosen, strict=True))
                metrics["architecture"] = Architecture(path, names, SMALL.stage_layers).text
            yield proposal.parameters
            strategy.observe(proposal.id, metrics)


def test_our_two_steps_keep_to_the_same_space() -> None:
    """Paths of the space, an operator search on one of them, and a net of it within the budget."""
    space = AutoSTRSpace(SMALL, budget_m=BUDGET_M)
    asked = [parameters for seed in range(40) for parameters in two_steps(seed)]
    assert len(asked) > PROPOSALS and sum("op_01" in parameters for parameters in asked) == 40
    for parameters in asked:
        space.path.path_of(parameters)
        if "op_01" in parameters:
            assert space.architecture_of(parameters).text in every_net()


def test_a_budget_may_be_of_latencies() -> None:
    price = made_price(SMALL)
    costs = sorted(price.of(SMALL.sample(random.Random(seed)), SMALL) / 1e6 for seed in range(200))
    budget = costs[60]
    space = AutoSTRSpace(SMALL, budget_m=budget, price=price)
    model = SimplifiedModelSpace.from_model(space, FunctionalEvaluator(print))
    strategy = Random(seed=1, dedup=False)
    strategy._model_space = model
    found = [strategy._retry_helper.retry(strategy.random, model).sample for _ in range(100)]
    assert max(price.of(architecture_of(sample, SMALL), SMALL) for sample in found) / 1e6 <= budget
    dear = next(net for net in map(SMALL.at, range(SMALL.size())) if price.of(net, SMALL) / 1e6 > budget)
    with pytest.raises(SampleValidationError, match=r"the net costs .* ms, over the budget of .* ms"):
        space.freeze(dear.to_parameters())
