"""The two-step search with what suits small budgets: paths that climb, and several nets tried before one."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from fake_trainer import OPERATIONS, SPACE, finish, paths, train

from autostr_nni.strategies.ladder import Ladder
from autostr_nni.strategies.two_step import TwoStep

NETS = [OPERATIONS.replace("k3e3", name, 1) for name in ("k3e3", "k5e1", "k5e3", "k5e6", "k3e6")]


def small(finalists: int = 5) -> TwoStep:
    return TwoStep(SPACE, SPACE.typical_paths(), Ladder((1, 3), 3), finalists, Ladder((1, 2, 6), 2))


def trainer(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    found = train(parameters)
    if parameters["step"] == "operators":
        texts = [f"{parameters['stride_path']}:{operations}" for operations in NETS]
        return {**(found or {}), "architecture": texts[0], "finalists": " ".join(texts)}
    if parameters["step"] == "path" and found and parameters["epochs"] == 3:
        found["loss"] = 1 - found["loss"]  # longer training turns the ranking round
    return found


def test_the_leading_paths_go_on_and_the_last_rung_decides() -> None:
    strategy = small()
    steps = [("path", 10, 0, 1), ("path", 3, 1, 3), ("operators", 1, 0, None)]
    steps += [("rung", 5, 0, 1), ("rung", 2, 1, 2), ("train", 1, 2, 6)]
    assert strategy.planned_steps == [(*step, True) for step in steps]  # each waits for the one before
    order = finish(strategy, trainer)
    assert len(order) == strategy.planned == 22
    assert order[:10] == [f"path-{path.text()}-1" for path in SPACE.typical_paths()]
    assert sorted(order[10:13]) == ["path-AABBB-3", "path-ABBAB-3", "path-BBABA-3"]
    assert order[13] == "operators-AABBB"  # last of the three after one epoch, first after three
    assert [trial.parameters["epochs"] for trial in strategy.ranking()] == [3] * 3 + [1] * 10


def test_two_paths_at_least_reach_the_last_rung() -> None:
    strategy = TwoStep(SPACE, paths("ABABB", "ABBAB", "BBABA"), Ladder((1, 2, 3), 3))
    assert [step.trials for step in strategy.planned_steps[:3]] == [3, 2, 2]
    assert len(finish(strategy, train)) == strategy.planned == 9
    assert TwoStep(SPACE, paths("ABABB"), Ladder((1, 2), 3)).planned == 2


def test_nets_climb_and_the_best_of_them_is_trained() -> None:
    strategy = small()
    order = finish(strategy, trainer)
    tried = {t.id: t for t in strategy.trials if t.parameters["step"] == "rung"}
    assert list(tried) == [f"finalist-{n}-1" for n in range(1, 6)] + [f"finalist-{n}-2" for n in (1, 2)]
    assert {trial.parameters["epochs"] for trial in tried.values()} == {1, 2}
    best = min(tried.values(), key=lambda trial: (trial.metrics or {})["loss"])
    assert strategy.best is not None and strategy.best["id"] == order[-1] == "train"
    names = [key for key in best.parameters if key not in ("step", "epochs")]
    assert all(strategy.best["parameters"][key] == best.parameters[key] for key in names)


@pytest.mark.parametrize("found", [1, 2])
def test_fewer_nets_than_wanted_are_enough(found: int) -> None:
    def few(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        metrics = trainer(parameters)
        if metrics and parameters["step"] == "operators":
            metrics["finalists"] = " ".join(metrics["finalists"].split()[:found])
        return metrics

    strategy = small()
    order = finish(strategy, few)
    assert len([id for id in order if id.startswith("finalist")]) == (found if found > 1 else 0)
    assert len(order) == strategy.planned and strategy.failure is None


def test_nets_off_the_path_are_refused() -> None:
    def off(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        metrics = trainer(parameters)
        if metrics and parameters["step"] == "operators":
            metrics["finalists"] += f" BBBAA:{OPERATIONS}"
        return metrics

    strategy = small()
    finish(strategy, off)
    assert strategy.failure is not None and "an architecture on the path BBBAA" in strategy.failure
    alone = small(finalists=1)  # the paper's: nothing else is looked at
    finish(alone, off)
    assert alone.failure is None


def test_any_order_with_failures_ends_alike() -> None:
    def broken(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        failing = parameters["stride_path"] == "ABBAB" or parameters.get("op_02") == "k5e1"
        return None if failing and parameters["step"] != "operators" else trainer(parameters)

    ends = set()
    for seed in range(20):
        strategy = small()
        finish(strategy, broken, random.Random(seed).randrange)
        assert strategy.failure is None
        ends.add(json.dumps(strategy.state_dict()))
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("path", "none of the stride paths that went on to 3 epochs could be trained so long ("),
        ("rung", "none of the nets found could be trained"),
    ],
)
def test_a_rung_on_which_nothing_could_be_trained(step: str, told: str) -> None:
    strategy = small()
    finish(strategy, lambda p: None if p["step"] == step and p["epochs"] > 1 else trainer(p))
    assert strategy.failure is not None and strategy.failure.startswith(told)


def test_state_at_every_moment_leads_to_the_same_end() -> None:
    straight = small()
    finish(straight, trainer)
    strategy = small()
    for moment in itertools.count():
        if strategy.finished:
            break
        restored = small()
        restored.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
        assert restored.suggest() == strategy.suggest() and restored.planned == strategy.planned
        strategy = restored
        proposal = random.Random(moment).choice(strategy.pending())
        strategy.observe(proposal.id, trainer(proposal.parameters))
    order = [trial.id for trial in straight.trials]
    assert [trial.id for trial in strategy.trials] == order
    assert strategy.state_dict() == straight.state_dict()


def test_an_assessor_may_stop_paths_on_the_first_rung_alone() -> None:
    strategy = small()
    finish(strategy, trainer)
    assert [t.id for t in strategy.trials if strategy.stoppable(t.id)] == [
        f"path-{path.text()}-1" for path in SPACE.typical_paths()
    ]
    plain = TwoStep(SPACE, SPACE.typical_paths())
    assert all(plain.stoppable(trial.id) for trial in plain.trials)
