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
    assert [text.get_text() for text in figure.axes[0].texts] == ["undecided"] * marked
