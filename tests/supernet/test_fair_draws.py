"""Draws of the one-shot supernet: within the budget, each operation equally often, a function of the step."""

from __future__ import annotations

from collections import Counter

from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.fair_draws import FairDraws, first_net

SPACE = SearchSpace()
BUDGET = 450_000_000
TIGHT = SearchSpace(width=64, out_width=16, stem_width=8, stage_widths=(8, 16, 32), stage_layers=(2, 2, 2))


def counts(draws: FairDraws, steps: int) -> list[Counter[str]]:
    nets = [draws.at(step) for step in range(steps)]
    return [Counter(net.operations[layer] for net in nets) for layer in range(draws.space.layers)]


def test_each_operation_of_a_layer_comes_equally_often() -> None:
    for layer in counts(FairDraws(SPACE, 0, BUDGET), 140):
        assert max(layer.values()) - min(layer.values()) <= 4
        assert len(layer) in (6, 7)


def test_no_net_is_over_the_budget() -> None:
    draws = FairDraws(TIGHT, 0, 2_000_000, 20, 50)
    macs = [macs_of(draws.at(step), TIGHT) for step in range(200)]
    assert 1_500_000 < max(macs) <= 2_000_000


def test_a_step_has_its_net_whatever_was_drawn_before() -> None:
    one, other = FairDraws(SPACE, 3, BUDGET, 20, 100), FairDraws(SPACE, 3, BUDGET, 20, 100)
    assert [one.at(step) for step in (90, 5, 71)] == [
        {step: other.at(step) for step in range(91)}[step] for step in (90, 5, 71)
    ]
    assert FairDraws(SPACE, 4, BUDGET, 20, 100).at(90) != one.at(90)


def test_one_net_is_trained_alone_and_the_others_come_in_by_and_by() -> None:
    draws = FairDraws(SPACE, 0, BUDGET, 30, 330)
    assert {draws.at(step) for step in range(30)} == {draws.first}

    def kept(begin: int, end: int) -> float:
        nets = [draws.at(step) for step in range(begin, end)]
        parts = [a == b for net in nets for a, b in zip(net.operations, draws.first.operations, strict=True)]
        return sum(parts) / len(parts)

    assert kept(30, 60) > 0.85 > kept(160, 200) > 0.4
    assert kept(330, 400) < 0.2  # one of 6 or 7
    assert len({draws.at(step).path for step in range(330, 400)}) > 60


def test_the_first_net_uses_the_budget_and_changes_no_operation() -> None:
    for space, budget in ((SPACE, BUDGET), (TIGHT, 2_000_000)):
        net = first_net(space, 0, budget)
        assert len(set(net.operations)) == 1 and "skip" not in net.operations
        assert 0.7 * budget < macs_of(net, space) <= budget


def test_the_others_may_come_in_at_once() -> None:
    draws = FairDraws(SPACE, 0, BUDGET, 20, 20)
    assert {draws.at(step) for step in range(20)} == {draws.first}
    assert len({draws.at(step).path for step in range(20, 60)}) > 30
