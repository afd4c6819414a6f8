"""What the loss is taken over after epochs that show short words alone."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

from autostr_nni.reading import evaluation
from autostr_nni.runs.records import read_metrics
from autostr_nni.training.callbacks import epoch_end
from tests.training.recipe_keys.watch import watched

SHORT = {"training.epochs": 3, "training.short_words": {"max_length": 1, "epochs": 2}}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[float], list[float]]]:
    """By epoch, the losses of the short validation words and of all."""
    metrics, found = epoch_end.EpochEnd.metrics, []

    def watching(self: Any, task: Any) -> Any:
        losses, texts = task.evaluation.losses, task.evaluation.texts
        short = [loss for loss, text in zip(losses, texts, strict=True) if len(text) <= 1]
        found.append((short, list(losses)))
        return metrics(self, task)

    monkeypatch.setattr(epoch_end.EpochEnd, "metrics", watching)
    return found


def losses_of(recipe: Any, step: Any, folder: Any) -> list[float]:
    return [line["loss"] for line in read_metrics(watched(recipe, step, folder).folder)]


def test_words_as_short_as_those_shown(tmp_path, monkeypatch, make_recipe, steps, read) -> None:
    monkeypatch.setattr(evaluation, "_ENOUGH", 1)
    told = losses_of(make_recipe(SHORT), steps["train"], tmp_path)
    assert all(0 < len(short) < len(every) for short, every in read)
    expected = [fmean(read[0][0]), fmean(read[1][0]), fmean(read[2][1])]
    assert told == pytest.approx(expected)


def test_all_words_where_few_are_as_short(tmp_path, make_recipe, steps, read) -> None:
    told = losses_of(make_recipe(SHORT), steps["train"], tmp_path)
    assert told == pytest.approx([fmean(every) for _, every in read])


def test_all_words_without_such_epochs(tmp_path, monkeypatch, make_recipe, steps, read) -> None:
    monkeypatch.setattr(evaluation, "_ENOUGH", 1)
    told = losses_of(make_recipe({"training.epochs": 2}), steps["train"], tmp_path)
    assert told == pytest.approx([fmean(every) for _, every in read])
