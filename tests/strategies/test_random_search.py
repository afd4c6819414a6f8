"""The random baseline: which architectures it draws, and which it calls best."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_trainer import SPACE, finish, train

from autostr_nni.recipe import recipe_from
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import Strategy, build
from autostr_nni.strategies.random_search import RandomSearch
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.errors import InputError
from tests import tiny_space

TINY = replace(tiny_space.TINY, operations=("k3e1", "skip"))


def drawn(strategy: Strategy, space: SearchSpace = SPACE) -> list[Architecture]:
    return [Architecture.from_parameters(trial.parameters, space) for trial in strategy.trials]


def test_is_a_strategy() -> None:
    assert isinstance(RandomSearch(SPACE, 2, 0), Strategy)


def test_draws_are_distinct_and_the_seed_decides() -> None:
    first, again, other = (RandomSearch(SPACE, 10, seed) for seed in (3, 3, 4))
    assert len({a.text for a in drawn(first)}) == 10 == first.planned
    assert first.state_dict() == again.state_dict() != other.state_dict()
    assert len(first.suggest()) == 10 and first.suggest() == []
    assert [trial.id for trial in first.trials][:2] == ["random-01", "random-02"]
    assert all(trial.parameters["step"] == "train" for trial in first.trials)


def test_budget_is_kept_and_binds() -> None:
    macs = [total(backbone_costs(a, SPACE)).macs for a in drawn(RandomSearch(SPACE, 20, 0, 150_000_000))]
    assert max(macs) <= 150_000_000
    free = [total(backbone_costs(a, SPACE)).macs for a in drawn(RandomSearch(SPACE, 20, 0))]
    assert max(free) > 150_000_000


def test_typical_paths_only() -> None:
    typical = SPACE.typical_paths()
    assert {a.path for a in drawn(RandomSearch(SPACE, 20, 0, paths=typical))} <= set(typical)
    assert not {a.path for a in drawn(RandomSearch(SPACE, 20, 0))} <= set(typical)


def test_space_may_be_too_small() -> None:
    size = TINY.size()
    assert len({a.text for a in drawn(RandomSearch(TINY, size, 0), TINY)}) == size
    with pytest.raises(InputError, match=f"only {size}; lower the count"):
        RandomSearch(TINY, size + 1, 0)
    with pytest.raises(InputError, match="must be at least 1"):
        RandomSearch(TINY, 0, 0)


def test_best_is_the_most_accurate_then_the_lowest_loss() -> None:
    strategy = RandomSearch(SPACE, 4, 0)
    results: list[Any] = [
        {"default": 0.5, "loss": 1.0},
        {"default": 0.8, "loss": 0.9},
        {"default": 0.8, "loss": 0.7},
        {"default": 0.8, "loss": 0.7},
    ]
    assert strategy.best is None
    for proposal, metrics in zip(strategy.suggest(), results, strict=True):
        strategy.observe(proposal.id, metrics)
    assert strategy.best is not None and strategy.best["id"] == "random-3"
    assert strategy.finished and strategy.failure is None


def test_any_order_and_any_stop_end_alike() -> None:
    ends = set()
    for seed in range(10):
        strategy = RandomSearch(SPACE, 5, 1)
        rng = random.Random(seed)
        while not strategy.finished:
            strategy.suggest()
            proposal = rng.choice(strategy.pending())
            broken = proposal.id == "random-2"
            strategy.observe(proposal.id, None if broken else train(proposal.parameters))
            restored = RandomSearch(SPACE, 5, 1)
            restored.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
            strategy = restored
        ends.add(json.dumps([strategy.state_dict(), strategy.best]))
    assert len(ends) == 1


def test_all_fail() -> None:
    strategy = RandomSearch(SPACE, 2, 0)
    order = finish(strategy, lambda parameters: {"loss": 1.0})
    assert sorted(order) == ["random-1", "random-1-retry", "random-2", "random-2-retry"]
    assert strategy.failure is not None
    assert strategy.failure.startswith(
        "none of the 2 nets could be trained (random-1: it reported no accuracy"
    )


def test_state_of_another_seed_is_refused() -> None:
    with pytest.raises(InputError, match="another recipe"):
        RandomSearch(SPACE, 2, 0).load_state_dict(RandomSearch(SPACE, 2, 1).state_dict())


def test_built_from_a_recipe() -> None:
    content: dict[str, Any] = {
        "seed": 7,
        "data": {"train": ["a"], "validation": ["b"]},
        "search": {"random": {"count": 3, "paths": "typical"}, "operators": {"budget_m": 100}},
    }
    recipe = recipe_from(content, Path("/"))
    strategy = build("random", recipe)
    assert isinstance(strategy, RandomSearch) and strategy.planned == 3
    expected = RandomSearch(SPACE, 3, 7, 100_000_000, SPACE.typical_paths())
    assert strategy.state_dict() == expected.state_dict()
    assert isinstance(build("two-step", recipe), TwoStep)
    with pytest.raises(InputError, match="nearest is 'two-step'"):
        build("twostep", recipe)


def macs(strategy: Strategy) -> list[int]:
    return [macs_of(net, SPACE) for net in drawn(strategy)]


def test_a_band_holds_all_nets_and_the_largest_is_a_trial_of_its_own() -> None:
    band = {"most": 150_000_000, "least": 100_000_000}
    plain, named = (RandomSearch(SPACE, 6, 3, **band, largest=largest) for largest in (False, True))
    assert min(macs(RandomSearch(SPACE, 20, 3, 150_000_000))) < 100_000_000
    assert min(macs(plain)) >= 100_000_000 and max(macs(plain)) <= 150_000_000
    first, *others = named.trials
    assert first.id == "largest" and first.parameters["net"] == "largest"
    assert macs(named)[0] == 150_000_000 and others == plain.trials  # the draws stay what they were
    assert named.planned == 7 and RandomSearch.drawn(named.trials) == 6
    more = RandomSearch(SPACE, 9, 3, **band, largest=True)
    more.load_state_dict(named.state_dict())
    assert [trial.id for trial in more.trials] == ["largest", *(f"random-{i}" for i in range(1, 10))]


def test_a_draw_that_is_the_largest_net_is_told_from_it() -> None:
    size = TINY.size()
    strategy = RandomSearch(TINY, size, 0, 10**9, largest=True)
    strategy.suggest()
    ids = [strategy.match(trial.parameters) for trial in strategy.trials]
    assert ids == [trial.id for trial in strategy.trials] and len(ids) == size + 1


def test_a_band_without_nets_is_told() -> None:
    with pytest.raises(
        InputError, match=r"min_m: no net has 61 to 61 M MACs; the largest of them has 60.9984 M"
    ):
        RandomSearch(SPACE, 2, 0, 61_000_000, SPACE.typical_paths()[:1], least=60_999_999)
    with pytest.raises(InputError, match="need an upper bound"):
        RandomSearch(SPACE, 2, 0, largest=True)


def test_the_band_of_a_recipe() -> None:
    """Random search has the lower bound of halving unless it is given its own."""
    content: dict[str, Any] = {
        "data": {"train": ["a"], "validation": ["b"]},
        "search": {
            "random": {"count": 3, "largest": True},
            "halving": {"min_m": 80},
            "operators": {"budget_m": 100},
        },
    }
    strategy = build("random", recipe_from(content, Path("/")))
    assert strategy.state_dict() == RandomSearch(SPACE, 3, 0, 10**8, None, 8 * 10**7, True).state_dict()
    content["search"]["random"]["min_m"] = 0
    strategy = build("random", recipe_from(content, Path("/")))
    assert strategy.state_dict() == RandomSearch(SPACE, 3, 0, 10**8, largest=True).state_dict()
    for section in ("random", "halving"):
        content["search"][section]["min_m"] = 100.5
        with pytest.raises(InputError, match=rf"search\.{section}\.min_m: 100\.5 M MACs is above search\.op"):
            recipe_from(content, Path("/"))
        content["search"][section]["min_m"] = 0
