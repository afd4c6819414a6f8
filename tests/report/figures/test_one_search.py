"""The drawings of one search."""

from __future__ import annotations

import math

import pytest

from autostr_nni.report.figures.one_search import draw_entropy


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("choices", "marked"), [(1, False), (3, True)])
def test_undecided_is_marked_where_there_was_a_choice(choices: int, marked: bool) -> None:
    layers = [[1 / choices] * choices] * 2
    epochs = [{"entropy": math.log(choices), "expected_macs_m": 3.0}] * 2
    figure = draw_entropy({"epochs": epochs, "probabilities": [{"layers": layers}]})
    assert figure.axes[1].get_ylabel() == "expected\nM MACs"
    assert [text.get_text() for text in figure.axes[0].texts] == ["undecided"] * marked


def test_the_expected_cost_is_what_was_counted() -> None:
    epochs = [{"entropy": 1.0, "expected_latency_ms": 3.0 - place} for place in range(2)]
    figure = draw_entropy({"epochs": epochs, "probabilities": []})
    assert figure.axes[1].get_ylabel() == "expected\nms"
    assert [*figure.axes[1].lines[0].get_ydata()] == [3.0, 2.0]
