"""The one-shot strategy against a trainer of which everything is known."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from fake_trainer import OPERATIONS, SPACE, finish

from autostr_nni.strategies import Strategy, find
from autostr_nni.strategies.one_shot import OneShot
from autostr_nni.strategies.trials import reached
from autostr_nni.system.errors import InputError

FINALISTS = [f"{path}:{OPERATIONS}" for path in ("ABABB", "ABBAB", "BBABA")]


def train(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    if parameters["step"] == "ranking":
        return {
            "default": 0.2,
            "loss": 1.0,
            "architecture": FINALISTS[0],
            "finalists": " ".join(FINALISTS),
        }
    accuracy = {"ABABB": 0.5, "ABBAB": 0.7, "BBABA": 0.6}.get(parameters.get("stride_path", ""), 0.1)
    return {"default": accuracy, "loss": 1 - accuracy}


def failing(*steps: str) -> Any:
    return lambda parameters: None if parameters["step"] in steps else train(parameters)


def test_steps_follow_each_other() -> None:
    strategy = OneShot(SPACE, 3)
    assert isinstance(strategy, Strategy) and find("one-shot") is OneShot
    assert strategy.planned == 5
    (first,) = strategy.suggest()
    assert first.parameters == {"step": "supernet"} and strategy.suggest() == []
    assert not strategy.stoppable(first.id)
    strategy.observe(first.id, train(first.parameters))
    (second,) = strategy.suggest()
    assert second.parameters == {"step": "ranking"} and not strategy.stoppable(second.id)
    strategy.observe(second.id, train(second.parameters))
    rest = strategy.suggest()
    assert [p.parameters["weights"] for p in rest] == ["finalist-1", "finalist-2", "finalist-3"]
    assert [p.parameters["stride_path"] for p in rest] == ["ABABB", "ABBAB", "BBABA"]
    assert all(p.parameters["step"] == "train" and strategy.stoppable(p.id) for p in rest)
    assert [p.parameters["op_01"] for p in rest] == [OPERATIONS.split(",")[0]] * 3
    for proposal in rest:
        assert not strategy.finished
        strategy.observe(proposal.id, train(proposal.parameters))
    assert strategy.finished and strategy.failure is None
    assert strategy.best is not None and strategy.best["id"] == "finalist-2"


def test_every_order_of_completion_ends_alike() -> None:
    ends = set()
    for order in itertools.permutations(range(3)):
        strategy = OneShot(SPACE, 3)
        for _ in range(2):
            (alone,) = strategy.suggest()
            strategy.observe(alone.id, train(alone.parameters))
        finalists = strategy.suggest()
        for place in order:
            strategy.observe(finalists[place].id, train(finalists[place].parameters))
        assert strategy.finished
        ends.add(json.dumps(strategy.state_dict()))
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (("supernet",), "the supernet could not be trained (supernet: the trial ended without a result"),
        (("ranking",), "the ranking of nets failed (ranking: the trial ended without a result"),
        (("train",), "none of the finalists could be trained (finalist-1: the trial ended"),
    ],
)
def test_what_fails_twice_ends_the_search_with_a_sentence(steps: tuple[str, ...], said: str) -> None:
    strategy = OneShot(SPACE, 2)
    finish(strategy, failing(*steps))
    assert strategy.failure is not None and strategy.failure.startswith(said)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "it reported no finalists"),
        ({"finalists": "AAAAA:k3e1"}, "an architecture needs one operation per layer"),
        ({"finalists": 7}, "it reported no finalists"),
    ],
)
def test_a_ranking_without_finalists_has_failed(told: dict[str, Any], said: str) -> None:
    strategy = OneShot(SPACE, 2)
    trainer = lambda p: {"loss": 1.0, **told} if p["step"] == "ranking" else train(p)  # noqa: E731
    finish(strategy, trainer)
    assert strategy.failure is not None and said in strategy.failure


def test_it_goes_on_from_its_state_at_every_moment() -> None:
    whole = OneShot(SPACE, 2)
    finish(whole, train)
    strategy = OneShot(SPACE, 2)
    while not strategy.finished:
        strategy.suggest()
        (first, *_) = strategy.pending()
        again = OneShot(SPACE, 2)
        again.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
        assert again.pending() == strategy.pending()
        again.observe(first.id, train(first.parameters))
        strategy = again
    assert strategy.state_dict() == whole.state_dict()


def test_no_half_supernet_or_ranking_counts() -> None:
    for step in ("supernet", "ranking"):
        assert reached({"step": step}, [{"default": 0.1, "loss": 1.0}]) is None


def test_no_finalist_is_refused() -> None:
    with pytest.raises(InputError, match=r"search\.one_shot\.finalists must be at least 1"):
        OneShot(SPACE, 0)
