"""Halving that is asked for several nets: small ones survive, and neither order nor stops change it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_trainer import finish

from autostr_nni.recipe import recipe_from
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import Strategy, Trial, build
from autostr_nni.strategies.front import handed_over, pareto_front
from autostr_nni.strategies.halving import Halving
from autostr_nni.strategies.ladder import Ladder
from autostr_nni.system.errors import InputError

SPACE = SearchSpace()
LADDER = Ladder((1, 3, 9))
BUDGET = 400_000_000


def make(nets: int = 10, front: int = 3, seed: int = 0, **options: Any) -> Halving:
    return Halving(SPACE, LADDER, nets, seed, BUDGET, front=front, **options)


def macs(parameters: Mapping[str, Any]) -> int:
    return macs_of(Architecture.from_parameters(parameters, SPACE), SPACE)


def trained(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The more MACs the better, but for some luck of each net: by accuracy alone only large nets go on."""
    luck = random.Random("".join(str(parameters[f"op_{layer:02d}"]) for layer in range(1, 16))).random()
    worth = 0.8 * (macs(parameters) / BUDGET) ** 0.5 + 0.2 * luck
    epochs = parameters.get("epochs", 9)
    return {"loss": 10 / epochs - worth, "default": worth}


def top(strategy: Strategy) -> list[Trial]:
    return [trial for trial in strategy.trials if trial.parameters["step"] == "train" and trial.metrics]


def points(strategy: Strategy) -> list[tuple[float, float]]:
    return [(macs(trial.parameters), (trial.metrics or {})["default"]) for trial in top(strategy)]


@pytest.mark.parametrize("seed", range(2))
def test_small_nets_survive(seed: int) -> None:
    alone, several = make(front=1, seed=seed), make(seed=seed)
    for strategy in (alone, several):
        finish(strategy, trained)
    assert min(points(several))[0] < 0.6 * min(points(alone))[0]
    assert len(pareto_front(points(several))) >= 3


@pytest.mark.parametrize("nets", [3, 4, 5, 10])
def test_as_many_as_are_wanted_come_to_the_top_within_the_budget(nets: int) -> None:
    strategy = make(nets)
    finish(strategy, trained)
    longest: dict[str, int] = {}
    for trial in strategy.trials:
        text = Architecture.from_parameters(trial.parameters, SPACE).text
        longest[text] = max(longest.get(text, 0), trial.parameters.get("epochs", 9))
    assert len(top(strategy)) >= 3 and 9 * nets - 9 < sum(longest.values()) <= 9 * nets
    assert strategy.planned == len(strategy.trials)


def test_the_last_of_the_budget_is_spent_side_by_side() -> None:
    """With three nets for three trainings they climb together, not one after another."""
    strategy = make(3)
    together = []
    while not strategy.finished:
        strategy.suggest()
        pending = strategy.pending()
        together.append(len(pending))
        for proposal in pending:
            strategy.observe(proposal.id, trained(proposal.parameters))
    assert together == [3, 3, 3]


def ends(seed: int, fails: set[str], proxy: bool) -> str:
    """The end of a search whose results come in any order, stopped after each."""
    rng = random.Random(seed)
    strategy = make(6 if proxy else 4, proxy=proxy)
    while not strategy.finished:
        strategy.suggest()
        proposal = rng.choice(strategy.pending())
        strategy.observe(proposal.id, None if proposal.id in fails else trained(proposal.parameters))
        restored = make(6 if proxy else 4, proxy=proxy)
        restored.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
        strategy = restored
    return json.dumps(strategy.state_dict())


@pytest.mark.parametrize("proxy", [False, True])
@pytest.mark.parametrize("fails", [set(), {"halving-002", "halving-005", "halving-005-retry", "train-2"}])
def test_any_order_and_any_stop_end_alike(fails: set[str], proxy: bool) -> None:
    assert len({ends(seed, fails, proxy) for seed in range(2)}) == 1


def test_after_a_proxy_each_net_of_the_front_is_trained() -> None:
    strategy = make(proxy=True)
    assert strategy.planned_steps[-1].trials == 3
    order = finish(strategy, trained)
    rungs = [t for t in strategy.trials if t.parameters.get("epochs") == 9 and t.metrics]
    nets = [(macs(t.parameters), t.metrics) for t in rungs]
    front = [rungs[place] for place in reversed(handed_over(nets, 3, 0.0))]
    last = [t for t in strategy.trials if t.parameters["step"] == "train"]
    assert [t.id for t in last] == ["train", "train-2", "train-3"][: len(front)] and len(front) > 1
    assert [macs(t.parameters) for t in last] == [macs(t.parameters) for t in front]  # the best is the first
    assert set(order[-len(last) :]) == {t.id for t in last}
    assert strategy.best is not None and strategy.best["id"] == "train"
    assert strategy.planned == len(strategy.trials)


def test_a_finalist_that_fails_leaves_the_others() -> None:
    strategy = make(proxy=True)
    while not strategy.finished:
        strategy.suggest()
        for proposal in strategy.pending():
            failed = proposal.id.startswith("train-2")
            strategy.observe(proposal.id, None if failed else trained(proposal.parameters))
    assert [t.id for t in strategy.trials if t.status == "failed"] == ["train-2", "train-2-retry"]
    assert strategy.failure is None and "train" in {trial.id for trial in top(strategy)}


def test_one_net_is_what_it_was() -> None:
    """Without a front the search is the one that it has always been."""
    one, other = make(5, 1), Halving(SPACE, LADDER, 5, 0, BUDGET)
    for strategy in (one, other):
        finish(strategy, trained)
    assert one.state_dict() == other.state_dict()


def test_too_few_trainings_for_a_front_are_told() -> None:
    with pytest.raises(InputError, match=r"nets must be at least 4, not 3: search\.front\.size is 4"):
        make(3, 4)
    with pytest.raises(
        InputError, match="at least 8, not 7: .* 4, .*: with search.proxy a net is trained twice"
    ):
        make(7, 4, proxy=True)


def test_built_from_a_recipe() -> None:
    content: dict[str, Any] = {
        "data": {"train": ["a"], "validation": ["b"]},
        "search": {"front": {"size": 4}},
    }
    recipe = recipe_from(content, Path("/"))
    halving, one_shot = build("halving", recipe), build("one-shot", recipe)
    assert isinstance(halving, Halving) and halving._front == 4
    assert one_shot.planned_steps[-1].trials == 4  # finalists: 2 by default
    assert all("search.front" in kind.settings for kind in (type(halving), type(one_shot)))
    with pytest.raises(InputError, match=r"search\.front\.size"):
        recipe_from({**content, "search": {"front": {"size": 0}}}, Path("/"))
