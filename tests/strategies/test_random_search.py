"""The random baseline: which architectures it draws, and which it calls best."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fake_trainer import SPACE, finish, train

from autostr_nni.recipe import recipe_from
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import RandomSearch, Strategy, TwoStep, build
from autostr_nni.system.errors import InputError

TINY = SearchSpace(
    height=4,
    width=8,
    out_width=2,
    stem_width=8,
    stage_widths=(8,),
    stage_layers=(3,),
    operations=("k3e1", "skip"),
)


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
