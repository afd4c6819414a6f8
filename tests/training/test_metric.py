"""What chooses: the recipe's metric, by one rule from the epoch to the report's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autostr_nni.inprocess.run import run_search
from autostr_nni.reading.metrics import Scores
from autostr_nni.recipe.words.metric import METRICS
from autostr_nni.report.analysis import analyse
from autostr_nni.report.page import render
from autostr_nni.report.reading.locate import read_folder
from autostr_nni.runs.records import read_metrics
from autostr_nni.runs.summary import summarize
from autostr_nni.runs.told import summary_text
from autostr_nni.runs.trial_record import read_search
from autostr_nni.strategies import build
from autostr_nni.training.callbacks import epoch_end
from tests.training.recipe_keys.watch import watched

# By epoch: each figure has another best epoch.
BY_EPOCH = [
    {"word_accuracy": 0.9, "case_sensitive_accuracy": 0.1, "one_minus_ned": 0.2, "cer": 0.9},
    {"word_accuracy": 0.1, "case_sensitive_accuracy": 0.8, "one_minus_ned": 0.3, "cer": 0.7},
    {"word_accuracy": 0.2, "case_sensitive_accuracy": 0.2, "one_minus_ned": 0.9, "cer": 0.6},
    {"word_accuracy": 0.3, "case_sensitive_accuracy": 0.3, "one_minus_ned": 0.1, "cer": 0.05},
]
BEST = {"word_accuracy": 0, "case_sensitive": 1, "one_minus_ned": 2, "cer": 3}


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validations that give the figures of `BY_EPOCH`."""
    metrics = epoch_end.EpochEnd.metrics

    def planned(self: Any, task: Any) -> Any:
        scores = Scores(words=10, correct=5, empty=2, **BY_EPOCH[task.current_epoch])
        object.__setattr__(task.evaluation, "scores", scores)
        return metrics(self, task)

    monkeypatch.setattr(epoch_end.EpochEnd, "metrics", planned)


@pytest.mark.parametrize("metric", METRICS)
def test_the_epoch_is_chosen_by_the_metric(tmp_path, make_recipe, steps, scored, metric: str) -> None:
    changes = {"training.epochs": 4, "data.charset": "0123aA", "evaluation.metric": metric}
    seen = watched(make_recipe(changes), steps["train"], tmp_path)
    best, lines = seen.result["metrics"], read_metrics(seen.folder)
    assert best["epoch"] == BEST[metric] == max(lines, key=lambda line: line["default"])["epoch"]
    assert best["default"] == pytest.approx(METRICS[metric].of_set(BY_EPOCH[BEST[metric]]))
    assert ("metric" in best) == (metric != "word_accuracy")  # as it always was
    assert best["words"] == (12 if metric == "case_sensitive" else 10)


def test_a_search_is_summed_up_and_shown_by_its_metric(tmp_path: Path, make_recipe) -> None:
    recipe = make_recipe(
        {
            "evaluation.metric": "cer",
            "evaluation.learnt_above": 0.0,
            "training.epochs": 2,
            "search.random.count": 2,
        }
    )
    run_search(build("random", recipe), recipe, tmp_path / "search", log=lambda text: None)
    records = read_search(tmp_path / "search")
    found = summarize(records, 0.0)
    figures = [row["figure"] for row in found["architectures"]]
    assert figures == sorted(figures, reverse=True) == sorted((r.figure for r in records), reverse=True)
    told = summary_text(found)
    assert "Architectures by validation 1-CER:" in told and "  validation 1-CER " in told
    assert "  test plain: 1-CER " in told and found["verdict"]["nets"] is None
    report = analyse([read_folder(tmp_path / "search")])
    best = report["searches"][0]["best"]
    assert best["accuracy"] == figures[0] and best["metric"] == "cer" and best["low"] is None
    test = best["tests"]["plain"]
    assert (
        test["accuracy"] == pytest.approx(1 - found["best"]["test"]["plain"]["cer"]) and test["low"] is None
    )
    page = render(report, [])
    assert "Validation 1-CER" in page and "Validation word accuracy" not in page
