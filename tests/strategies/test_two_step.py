"""The two-step strategy against a trainer of which everything is known."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from fake_trainer import OPERATIONS, SPACE, finish, paths, train

from autostr_nni.strategies import Strategy
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.errors import InputError


def whole() -> TwoStep:
    return TwoStep(SPACE, SPACE.typical_paths())


def three() -> TwoStep:
    return TwoStep(SPACE, paths("ABABB", "ABBAB", "BBABA"))


def test_is_a_strategy() -> None:
    assert isinstance(whole(), Strategy)


def test_steps_follow_each_other() -> None:
    strategy = whole()
    first = strategy.suggest()
    assert [p.parameters for p in first] == [
        {"step": "path", "stride_path": path.text()} for path in SPACE.typical_paths()
    ]
    assert strategy.planned == 12
    assert strategy.suggest() == []
    for number, proposal in enumerate(first):
        assert strategy.pending() == first[number:]
        assert strategy.suggest() == []  # the barrier: step 2 waits for the last path
        strategy.observe(proposal.id, train(proposal.parameters))
    (second,) = strategy.suggest()
    # Of the two lowest losses, the path that was listed first.
    assert second.parameters == {"step": "operators", "stride_path": "ABBAB"}
    strategy.observe(second.id, train(second.parameters))
    (third,) = strategy.suggest()
    names = OPERATIONS.split(",")
    assert third.parameters == {
        "step": "train",
        "stride_path": "ABBAB",
        **{f"op_{layer:02d}": name for layer, name in enumerate(names, 1)},
    }
    assert strategy.best is None and not strategy.finished
    strategy.observe(third.id, {"default": 0.9, "loss": 0.1})
    assert strategy.finished and strategy.failure is None
    assert strategy.best == {
        "id": third.id,
        "parameters": third.parameters,
        "metrics": {"default": 0.9, "loss": 0.1},
    }
    assert strategy.suggest() == [] and strategy.pending() == []


def test_every_order_of_completion_ends_alike() -> None:
    ends = set()
    for order in itertools.permutations(range(3)):
        picks = iter(order)
        left = list(range(3))

        def choose(count: int, picks: Any = picks, left: list[int] = left) -> int:
            if not left:
                return 0
            pick = next(picks)
            place = left.index(pick)
            left.remove(pick)
            return place

        strategy = three()
        finish(strategy, choose=choose)
        ends.add(json.dumps(strategy.state_dict()))
    assert len(ends) == 1


def test_any_order_with_failures_ends_alike() -> None:
    failing = {"ABABB", "BABAB", "BBBAA"}

    def broken(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        return None if parameters["stride_path"] in failing else train(parameters)

    ends = set()
    for seed in range(30):
        strategy = whole()
        order = finish(strategy, broken, random.Random(seed).randrange)
        assert len(order) == 15
        ends.add(json.dumps(strategy.state_dict()))
    assert len(ends) == 1


def test_state_at_every_moment_leads_to_the_same_end() -> None:
    def once_broken() -> Any:
        seen: set[str] = set()

        def trainer(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
            key = json.dumps(dict(parameters))
            if key not in seen and parameters["stride_path"] in ("ABABB", "ABBAB"):
                seen.add(key)
                return None
            return train(parameters)

        return trainer

    straight = three()
    finish(straight, once_broken())
    strategy, trainer = three(), once_broken()
    while not strategy.finished:
        restored = three()
        restored.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
        assert restored.state_dict() == strategy.state_dict()
        assert restored.pending() == strategy.pending()
        assert restored.suggest() == strategy.suggest()
        half = three()
        half.load_state_dict(strategy.state_dict())  # saved after suggesting
        assert half.suggest() == [] and half.pending() == strategy.pending()
        strategy = half
        proposal = strategy.pending()[0]
        strategy.observe(proposal.id, trainer(proposal.parameters))
    assert strategy.state_dict() == straight.state_dict()
    assert strategy.best == straight.best


@pytest.mark.parametrize(
    "metrics",
    [
        None,
        {"default": 0.1},
        {"loss": float("nan")},
        {"loss": float("inf")},
        {"loss": "1.0"},
        {"loss": 1.0, "default": float("nan")},
    ],
)
def test_failed_path_is_proposed_once_more_and_then_passed_over(metrics: Any) -> None:
    strategy = three()
    first = strategy.suggest()[1]
    assert first.parameters["stride_path"] == "ABBAB"
    strategy.observe(first.id, metrics)
    (again,) = strategy.suggest()
    assert again.parameters == first.parameters and again.id == f"{first.id}-retry"
    strategy.observe(again.id, metrics)
    assert strategy.suggest() == []
    order = finish(strategy)
    assert "operators-BBABA" in order  # ABBAB would have come first
    assert strategy.failure is None
    json.dumps(strategy.state_dict(), allow_nan=False)


def test_retry_that_succeeds_counts() -> None:
    strategy = three()
    _, second, _ = strategy.suggest()
    strategy.observe(second.id, None)
    finish(strategy)
    assert [trial.id for trial in strategy.ranking()][0] == "path-ABBAB-retry"
    assert strategy.best is not None and strategy.best["parameters"]["stride_path"] == "ABBAB"


def test_no_path_left() -> None:
    strategy = three()
    order = finish(strategy, lambda parameters: {"loss": float("nan"), "default": 0.0})
    assert len(order) == 6 and strategy.best is None
    assert strategy.failure is not None
    assert strategy.failure.startswith(
        "none of the 3 stride paths could be trained (path-ABABB: its loss is nan"
    )


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        (None, "the trial ended without a result"),
        ({"loss": 1.0}, "it reported no architecture"),
        ({"loss": 1.0, "architecture": 3}, "it reported no architecture"),
        ({"loss": 1.0, "architecture": "aster"}, "it reported no architecture"),
        (
            {"loss": 1.0, "architecture": f"AABBB:{OPERATIONS}"},
            "it reported an architecture on the path AABBB",
        ),
        ({"loss": 1.0, "architecture": "ABBAB:k3e1"}, "one operation per layer"),
        ({"loss": float("nan"), "architecture": f"ABBAB:{OPERATIONS}"}, "its loss is nan"),
    ],
)
def test_failed_operator_search(metrics: Any, reason: str) -> None:
    strategy = three()
    order = finish(strategy, lambda p: metrics if p["step"] == "operators" else train(p))
    assert order[3:] == ["operators-ABBAB", "operators-ABBAB-retry"]
    assert strategy.failure is not None and reason in strategy.failure
    assert strategy.failure.startswith("the operator search on ABBAB failed")


def test_failed_retraining() -> None:
    strategy = three()
    finish(strategy, lambda p: None if p["step"] == "train" else train(p))
    assert strategy.failure is not None and strategy.failure.startswith("the net could not be trained")
    assert strategy.best is None


def test_single_path_needs_no_ranking() -> None:
    strategy = TwoStep(SPACE, paths("A.B..A.B..B...."))
    assert strategy.planned == 2
    assert finish(strategy) == ["operators-A.B..A.B..B....", "train"]
    with pytest.raises(InputError, match="at least one stride path"):
        TwoStep(SPACE, [])


def test_match_finds_what_is_awaited_first() -> None:
    strategy = three()
    parameters = {"step": "path", "stride_path": "ABBAB"}
    assert strategy.match(parameters) == "path-ABBAB"
    strategy.suggest()
    strategy.observe("path-ABBAB", None)
    assert strategy.match({**parameters, "TRIAL_BUDGET": 1}) == "path-ABBAB-retry"
    strategy.observe("path-ABBAB-retry", {"loss": 1.0})
    assert strategy.match(parameters) == "path-ABBAB-retry"
    assert strategy.match({"step": "operators", "stride_path": "ABBAB"}) is None
    assert strategy.match({"step": "path", "stride_path": "AABBB"}) is None
    assert strategy.match({}) is None


def test_results_of_an_earlier_run_are_taken_without_a_proposal() -> None:
    strategy = three()
    for text in ("BBABA", "ABABB", "ABBAB"):
        parameters = {"step": "path", "stride_path": text}
        strategy.observe(strategy.match(parameters) or "", train(parameters))
    assert [proposal.id for proposal in strategy.suggest()] == ["operators-ABBAB"]


def test_observing_twice_changes_nothing_and_a_stranger_is_refused() -> None:
    strategy = three()
    strategy.suggest()
    strategy.observe("path-ABABB", {"loss": 1.0})
    before = strategy.state_dict()
    strategy.observe("path-ABABB", None)
    strategy.observe("path-ABABB", {"loss": 0.1})
    assert strategy.state_dict() == before
    with pytest.raises(KeyError, match="path-QQ"):
        strategy.observe("path-QQ", None)


def test_state_of_another_search_is_refused() -> None:
    state = three().state_dict()
    with pytest.raises(InputError, match="another recipe"):
        whole().load_state_dict(state)
    with pytest.raises(InputError, match="the strategy 'random', not 'two-step'"):
        three().load_state_dict({**state, "strategy": "random"})
    with pytest.raises(InputError, match="another version"):
        three().load_state_dict({**state, "version": 0})
    with pytest.raises(InputError, match="another version"):
        three().load_state_dict({})


def test_changing_what_was_handed_out_changes_nothing() -> None:
    strategy = three()
    proposal = strategy.suggest()[0]
    proposal.parameters["stride_path"] = "XXXXX"
    assert strategy.pending()[0].parameters["stride_path"] == "ABABB"
