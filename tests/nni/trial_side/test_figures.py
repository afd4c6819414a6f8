"""What trials tell NNI: a figure that steps can be compared by, and what comes back from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.nni.rows import record_of
from autostr_nni.nni.trial_side.figures import for_nni, from_nni
from autostr_nni.strategies.trials import has_learnt

METRICS = {
    "default": 0.9,
    "loss": 2.0,
    "macs_m": 20.0,
    "params_m": 0.5,
    "words": 7,
    "epoch": 3,
    "seconds": 8.5,
}


def test_no_path_stands_above_a_net() -> None:
    """Paths read short words only: 90 % of those are no better than 10 % of all."""
    path, better = (for_nni({**METRICS, "loss": loss}, "path", True) for loss in (2.0, 0.1))
    net = for_nni({**METRICS, "default": 0.0, "loss": 9.0}, "train", True)
    assert path["default"] == -2.0 < better["default"] < net["default"] == 0.0
    assert path["accuracy"] == 0.9


def test_an_operator_search_has_no_figure_to_be_compared_by() -> None:
    for final in (True, False):
        report = for_nni({**METRICS, "default": 0.0, "architecture": "ABABB:k3e1"}, "operators", final)
        assert "default" not in report and report["architecture"] == "ABABB:k3e1"


def test_a_final_report_has_few_figures_and_an_epochs_all() -> None:
    assert for_nni(METRICS, "train", True).keys() == {"default", "accuracy", "loss", "flops_m", "params_m"}
    told = for_nni(METRICS, "train", False)
    assert told.pop("flops_m") == METRICS["macs_m"]  # the name by which the page has always known it
    assert told == {key: value for key, value in METRICS.items() if key != "macs_m"} | {"accuracy": 0.9}


def test_where_several_nets_are_wanted_a_report_tells_whether_they_learnt() -> None:
    """Halving asks that of each, and must be told the same as by a search without NNI."""
    metrics = {**METRICS, "default": 0.6, "word_accuracy": 0.2, "blind": 0.3}
    told = from_nni(for_nni(metrics, "train", True, front=True))
    assert not has_learnt(told, 0.05) and not has_learnt(metrics, 0.05)
    assert has_learnt({**told, "blind": 0.1}, 0.05)


def test_reports_are_json() -> None:
    report = for_nni(
        {"default": float("nan"), "loss": float("inf"), "words": 3, "test": {"a": 1}}, "path", False
    )
    assert report == {"accuracy": "nan", "loss": "inf", "words": 3}
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("step", ["path", "operators", "train"])
def test_there_and_back(step: str) -> None:
    assert from_nni(for_nni(METRICS, step, False)) == METRICS
    assert from_nni(0.5) == {"default": 0.5}
    assert from_nni({"default": 0.5, "loss": 1}) == {"default": 0.5, "loss": 1}  # of another's trial


def test_the_trials_own_figures_come_from_its_folder(tmp_path: Path) -> None:
    place = tmp_path / "environments/local-env/trials/path-ABABB-3"
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps({"metrics": METRICS}))
    final = json.dumps(json.dumps(for_nni(METRICS, "path", True)))
    row: dict[str, Any] = {"trialJobId": "path-ABABB-3", "status": "SUCCEEDED"}
    row |= {"finalMetricData": [{"data": final}], "hyperParameters": ['{"parameters": {"step": "path"}}']}
    assert record_of(row, tmp_path).metrics == METRICS
    (place / "result.json").unlink()  # of a machine that is lost
    found = record_of(row, tmp_path).metrics or {}
    assert (found["default"], found["loss"], found["macs_m"]) == (0.9, 2.0, 20.0)


def test_the_latency_of_a_net_is_told() -> None:
    """The page makes an axis and a column of it, where a search counts latencies."""
    report = for_nni({**METRICS, "latency_ms": 3.9}, "train", True)
    assert report["latency_ms"] == 3.9 and from_nni(report)["latency_ms"] == 3.9


def test_another_trials_accuracy_is_not_what_its_tuner_decides_by() -> None:
    """Such as a loss to be made small beside the accuracy."""
    told = {"default": 0.35, "accuracy": 0.91}
    assert from_nni(told) == told
    assert from_nni(for_nni({**METRICS, "default": 0.25}, "path", True))["default"] == 0.25
