"""What the summary puts first: paths by loss, nets by accuracy and then by loss."""

from __future__ import annotations

from typing import Any

from autostr_nni.runs.summary import summarize
from autostr_nni.runs.trial_record import TrialRecord


def test_the_best_comes_first_and_what_has_no_figure_last() -> None:
    def net(id: str, **metrics: Any) -> TrialRecord:
        return TrialRecord(id, {"step": "train", "stride_path": "ABABB"}, metrics)

    def path(text: str, **metrics: Any) -> TrialRecord:
        return TrialRecord(text, {"step": "path", "stride_path": text}, metrics)

    found = summarize(
        [
            net("worse", default=0.5, loss=0.1),
            net("none", loss=0.0),
            net("best", default=0.75, loss=1.0),
            net("equal", default=0.75, loss=2.0),
            path("BABBA", loss=float("nan"), default=1.0),
            path("AABBB", loss=3.0, default=0.9),
            path("ABABB", loss=2.0, default=0.1),
        ]
    )
    assert [row["trial"] for row in found["architectures"]] == ["best", "equal", "worse", "none"]
    assert found["best"]["trial"] == "best"
    assert [row["stride_path"] for row in found["paths"]] == ["ABABB", "AABBB", "BABBA"]
