"""Halving: what it proposes, what it spends, and that neither order nor stops change it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

import pytest
from fake_trainer import finish

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.drawing.within import sample_within
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import Strategy
from autostr_nni.strategies.halving import Halving
from autostr_nni.strategies.ladder import Ladder, ladder_of
from autostr_nni.system.errors import InputError

SPACE = SearchSpace()
LADDER = Ladder((1, 3, 9))
BUDGET = 300_000_000


def make(nets: int = 5, seed: int = 0, **options: Any) -> Halving:
    return Halving(SPACE, options.pop("ladder", LADDER), nets, seed, BUDGET, **options)


def architecture(parameters: Mapping[str, Any]) -> Architecture:
    return Architecture.from_parameters(parameters, SPACE)


def quality(parameters: Mapping[str, Any]) -> float:
    """What a net is worth, 0 to 1: the later its last A, and the more k5 it has, the better."""
    net = architecture(parameters)
    late = max(layer for layer, stride in enumerate(net.path.strides) if stride == (2, 2)) / 14
    return 0.7 * late + 0.3 * sum(name.startswith("k5") for name in net.operations) / 15


def trained(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The sooner it is looked at, the less the loss tells of a net's worth."""
    epochs = parameters.get("epochs", 9)
    noise = random.Random(f"{architecture(parameters).text} {epochs}").gauss(0, 0.3 / epochs)
    worth = quality(parameters)
    return {"loss": 10 / epochs - worth + noise, "default": worth}


def spent(strategy: Strategy) -> int:
    """Epochs that were trained, each net's counted once."""
    longest: dict[str, int] = {}
    for trial in strategy.trials:
        text = architecture(trial.parameters).text
        longest[text] = max(longest.get(text, 0), trial.parameters.get("epochs", 9))
    return sum(longest.values())


def test_is_a_strategy() -> None:
    assert isinstance(make(), Strategy)


def test_the_first_may_run_together_and_are_nets_within_the_band() -> None:
    strategy = make(lookback=4, least=100_000_000)
    proposals = strategy.suggest()
    assert len(proposals) == 4
    assert len({architecture(p.parameters).text for p in proposals}) == 4
    for proposal in proposals:
        assert (proposal.parameters["step"], proposal.parameters["epochs"]) == ("rung", 1)
        assert 100e6 <= total(backbone_costs(architecture(proposal.parameters), SPACE)).macs <= BUDGET


def test_every_net_climbs_rung_by_rung_and_the_best_go_on() -> None:
    strategy = make(10)
    finish(strategy, trained)
    by_net: dict[str, list[int]] = {}
    losses: dict[int, list[float]] = {1: [], 3: []}
    promoted: dict[int, list[float]] = {1: [], 3: []}
    for trial in strategy.trials:
        by_net.setdefault(architecture(trial.parameters).text, []).append(trial.parameters.get("epochs", 9))
    for epochs in by_net.values():
        assert epochs == [1, 3, 9][: len(epochs)]
    asked = {t.id for t in strategy.trials if strategy.stoppable(t.id)}  # by an assessor
    assert asked == {t.id for t in strategy.trials if t.parameters.get("epochs") == 1}
    for trial in strategy.trials:
        epochs = trial.parameters.get("epochs", 9)
        if epochs < 9:
            loss = (trial.metrics or {})["loss"]
            losses[epochs].append(loss)
            if len(by_net[architecture(trial.parameters).text]) > (1, 3).index(epochs) + 1:
                promoted[epochs].append(loss)
    for epochs in losses:
        assert 1 <= len(promoted[epochs]) <= len(losses[epochs]) / 2
        median = sorted(losses[epochs])[len(losses[epochs]) // 2]
        assert sum(loss <= median for loss in promoted[epochs]) >= 0.8 * len(promoted[epochs])


@pytest.mark.parametrize("nets", [1, 2, 3, 10])
def test_the_budget_is_kept_used_and_brings_a_net_to_the_top(nets: int) -> None:
    strategy = make(nets)
    expected = strategy.planned
    finish(strategy, trained)
    assert expected == pytest.approx(len(strategy.trials), rel=0.15)
    assert 9 * nets - 3 < spent(strategy) <= 9 * nets or nets == 1
    assert strategy.best is not None
    assert strategy.best["parameters"]["step"] == "train" and "epochs" not in strategy.best["parameters"]
    assert strategy.planned == len(strategy.trials)


def test_the_best_is_the_most_accurate_of_the_top_rung() -> None:
    strategy = make(10)
    finish(strategy, trained)
    top = [t for t in strategy.trials if t.parameters["step"] == "train"]
    assert len(top) > 1
    assert strategy.best is not None
    assert strategy.best["metrics"]["default"] == max((t.metrics or {})["default"] for t in top)


def test_later_candidates_are_neighbours_and_never_repeat() -> None:
    strategy = make(20, explore=0.0)
    finish(strategy, trained)
    texts = [architecture(t.parameters) for t in strategy.trials if t.parameters.get("epochs") == 1]
    assert len({net.text for net in texts}) == len(texts) > 20

    def apart(one: Architecture, other: Architecture) -> int:
        layers = zip(one.path.strides + one.operations, other.path.strides + other.operations, strict=True)
        return sum(a != b for a, b in layers)

    later = range(9, len(texts))
    # Two strides differ at most, and operations that cannot stand where the stride went.
    assert all(min(apart(texts[n], known) for known in texts[:n]) <= 4 for n in later)


@pytest.mark.parametrize("seed", range(20))
def test_a_promotion_spends_nothing_of_what_full_trainings_need(seed: int) -> None:
    """Five nets of real_words' ladder pay for two of them, whatever results come in which order."""
    strategy = make(5, seed, ladder=Ladder((1, 3, 8)))
    finish(strategy, lambda parameters: {"loss": random.Random(str(parameters)).random(), "default": 0.5})
    full = [trial for trial in strategy.trials if trial.parameters["step"] == "train"]
    epochs = sum({1: 1, 3: 2, 8: 5}[trial.parameters.get("epochs", 8)] for trial in strategy.trials)
    assert len(full) == 2 and 39 <= epochs <= 40


@pytest.mark.parametrize(("nets", "full"), [(1, 1), (5, 2), (10, 3)])
def test_full_trainings_come_last(nets: int, full: int) -> None:
    strategy = make(nets)
    finish(strategy, trained)
    steps = [trial.parameters["step"] for trial in strategy.trials]
    first = steps.index("train")
    assert "rung" not in steps[first:] or nets == 1
    assert full <= len(steps) - first <= full + 1


def test_candidates_keep_the_width_long_until_losses_say_otherwise() -> None:
    """Random nets halve the width sooner; where that is better indeed, later candidates do so too."""

    def late(some: list[Architecture]) -> float:
        return fmean(max(n for n, stride in enumerate(net.path.strides) if stride == (2, 2)) for net in some)

    def explored(train: Callable[[Mapping[str, Any]], dict[str, Any]]) -> list[Architecture]:
        strategy = make(20, explore=1.0)
        finish(strategy, train)
        return [architecture(t.parameters) for t in strategy.trials if t.parameters.get("epochs") == 1]

    rng = random.Random(0)
    any_nets = [sample_within(SPACE, rng, BUDGET) for _ in range(100)]
    nets = explored(trained)  # the better the later the last A comes
    assert late(nets[:9]) > late(any_nets) + 1 and late(nets[20:]) > late(any_nets) + 1
    early = explored(lambda parameters: {**trained(parameters), "loss": 10 * quality(parameters)})
    assert early[:4] == nets[:4]
    assert late(early[20:]) < late(any_nets) - 1


def any_order(choose: Callable[[list[Any]], Any], fails: set[str]) -> str:
    strategy: Halving = make(3, 3)
    while not strategy.finished:
        strategy.suggest()
        proposal = choose(strategy.pending())
        strategy.observe(proposal.id, None if proposal.id in fails else trained(proposal.parameters))
        restored = make(3, 3)
        restored.load_state_dict(json.loads(json.dumps(strategy.state_dict())))
        strategy = restored
    return json.dumps([strategy.state_dict(), strategy.best])


@pytest.mark.parametrize("fails", [set(), {"halving-002", "halving-006", "halving-006-retry"}])
def test_any_order_and_any_stop_end_alike(fails: set[str]) -> None:
    ends = {any_order(random.Random(seed).choice, fails) for seed in range(4)}
    assert len(ends) == 1


def test_a_net_that_fails_twice_is_not_promoted() -> None:
    strategy = make(3)
    finish(strategy, lambda p: None if p["op_05"] == "k3e1" else trained(p))
    assert all(t.parameters["op_05"] != "k3e1" for t in strategy.trials if t.parameters["step"] == "train")
    assert strategy.failure is None


def test_without_any_result_it_ends_and_says_why() -> None:
    strategy = make(2)
    finish(strategy, lambda parameters: {"default": 0.1})
    assert strategy.best is None
    assert strategy.failure is not None
    assert strategy.failure.startswith("no net was trained to the end (halving-001: it reported no loss")


def test_rungs() -> None:
    assert ladder_of(12) == (2, 4, 12)
    assert ladder_of(10) == (2, 3, 10)
    assert ladder_of(2) == (1, 2)
    assert ladder_of(1) == (1,)
    for epochs in ((), (0, 1), (3, 3), (3, 1)):
        with pytest.raises(InputError, match="rungs"):
            Ladder(epochs)
    with pytest.raises(InputError, match="reduction"):
        Ladder((1, 2), 1)


def test_a_budget_of_nothing_and_a_band_that_holds_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="search.halving.nets must be at least 1"):
        make(0)
    with pytest.raises(InputError, match="no net with 400 to 300 .*MACs was met; widen the band"):
        make(least=400_000_000)


def test_a_space_that_is_tried_out_leaves_the_rest_of_the_budget_to_its_best() -> None:
    few = SearchSpace(
        height=4, width=8, out_width=2, stage_widths=(4,), stage_layers=(3,), operations=("k3e1", "k5e1")
    )

    def told(parameters: Mapping[str, Any]) -> dict[str, Any]:
        worth = random.Random(Architecture.from_parameters(parameters, few).text).random()
        return {"loss": 1 - worth, "default": worth}

    found = []
    for order in (lambda n: 0, lambda n: n - 1):
        strategy = Halving(few, Ladder((1, 2)), few.size() + 5, 0, 10**9)
        finish(strategy, told, order)
        assert strategy.failure is None and strategy.best is not None
        opened = [t for t in strategy.trials if t.parameters.get("epochs") == 1]
        assert len(opened) == few.size() and strategy.planned == len(strategy.trials)
        assert strategy.best["metrics"]["default"] == max((t.metrics or {})["default"] for t in opened)
        found.append(strategy.trials)
    assert found[0] == found[1]


@pytest.mark.parametrize("nets", [3, 30])
def test_with_one_rung_all_nets_are_trained_to_the_end(nets: int) -> None:
    strategy = make(nets, ladder=Ladder((1,)))
    assert strategy.planned == nets
    finish(strategy, trained)
    assert len(strategy.trials) == strategy.planned == nets


def test_a_state_with_a_trial_after_the_last_full_training_is_gone_on_with() -> None:
    """As earlier versions left them: what is under way is awaited, and ends the search."""
    strategy = make(3, ladder=Ladder((1, 2, 6)))
    while "train" not in {trial.parameters["step"] for trial in strategy.trials}:
        strategy.suggest()
        strategy.observe(strategy.pending()[0].id, trained(strategy.pending()[0].parameters))
    state = strategy.state_dict()
    last = {**state["trials"][0], "id": "halving-099", "status": "running", "metrics": None}
    net = Architecture.parse("AABBB:" + ",".join(["k3e1"] * 15), SPACE)
    last["parameters"] = {"step": "rung", "epochs": 1, **net.to_parameters()}
    again = make(3, ladder=Ladder((1, 2, 6)))
    again.load_state_dict({**state, "trials": [*state["trials"], last]})
    finish(again, trained)
    assert again.failure is None and again.trials[-1].id == "halving-099"


@pytest.mark.parametrize("front", [1, 3])
@pytest.mark.parametrize("nets", [3, 4, 5, 12])
def test_nothing_is_trained_that_cannot_come_to_the_top_any_more(nets: int, front: int) -> None:
    strategy = make(nets, ladder=Ladder((1, 2, 6)), front=front)
    finish(strategy, trained)
    assert [t.parameters["step"] for t in strategy.trials][-1] == "train"
