"""Fronts of searches simulated on the table: what is handed over, and the table that is printed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from benchmarks.net_table import front, rows


@pytest.fixture(scope="module")
def nets() -> list[dict[str, Any]]:
    return [row for row in rows.load() if row["group"] == "random" and row["seed"] == 0]


def test_a_search_costs_what_it_may_and_hands_over_a_front(nets: list[dict[str, Any]]) -> None:
    for seed in range(3):
        trained = front.halving(3)(nets, 5, random.Random(seed))
        assert len(trained) == 3  # as many as are wanted, of five trainings
        handed = front.chosen(trained, 3)
        assert [net["macs"] for net in handed] == sorted(net["macs"] for net in handed)
        accuracies = [front.final(net) for net in handed]
        assert accuracies == sorted(set(accuracies)) and min(accuracies) > front.LEARNT_ABOVE
    assert len(front.random_search(nets, 5, random.Random(0))) == 5


def test_the_table_of_searches(nets: list[dict[str, Any]]) -> None:
    told = front.lines(nets, 3, 2)
    assert [line.split(" | ")[0] for line in told[2:]] == 2 * [
        "| random",
        "| halving",
        "| halving, front of 2",
    ]
    assert front.beside([1.0, 4.0, 4.0], [1.0, 1.0, 2.0]) == "+1.7 ± 1.7, ahead in 67 %"
