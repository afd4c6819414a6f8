"""A trial that is saved and stopped within an epoch goes on with the next batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from autostr_nni.runs.layout import LAST
from autostr_nni.runs.records import read_metrics
from autostr_nni.training import tasks
from autostr_nni.training.callbacks import within_epoch
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Killed, Log, assert_same_end, saving_within_epochs

CHANGES = {
    "training.epoch_images": 36,
    "training.short_words": {"max_length": 2, "epochs": 2},
    "search.operators.epoch_images": 36,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_recipe, steps) -> Callable[[str], Path]:
    """`whole(step)`: the folder of a trial that ran through."""

    @cache
    def trained(step: str) -> Path:
        folder = tmp_path_factory.mktemp(step)
        run_proposal(steps[step], make_recipe(CHANGES), folder, Log())
        return folder

    return trained


@pytest.mark.parametrize(("stop_after", "workers"), [(1, 0), (3, 1), (6, 0)])
@pytest.mark.parametrize("step", ["operators", "train"])
def test_stopped_within_an_epoch(tmp_path, monkeypatch, make_recipe, steps, whole, step, stop_after, workers):
    """It goes on with the next batch, of both sets, and ends bit for bit like a trial that never stopped."""
    recipe, folder = make_recipe({**CHANGES, "data.workers": workers}), tmp_path / "stopped"
    with monkeypatch.context() as patch:
        saves = saving_within_epochs(patch, every=2, stop_after=stop_after)
        with pytest.raises(Killed):
            run_proposal(steps[step], recipe, folder, Log())
    assert saves == ([2, 4] * 3)[:stop_after]  # of 5 batches
    steps_before = torch.load(folder / LAST, weights_only=True)["autostr"]["images_seen"]
    run_proposal(steps[step], recipe, folder, Log())
    lines = read_metrics(folder)
    assert lines[-1]["images_seen"] == read_metrics(whole(step))[-1]["images_seen"] > steps_before
    assert_same_end(folder, whole(step))


def test_stopped_within_an_epoch_and_again(tmp_path, monkeypatch, make_recipe, steps):
    """Also the epoch in which a trial went on is continued, with the same loss to show."""
    changes = {"search.operators.epoch_images": 44, "search.operators.arch_every": 1}
    run_proposal(steps["operators"], make_recipe(changes), tmp_path / "whole", Log())
    seen: list[int] = []
    for _ in range(4):
        with monkeypatch.context() as patch:
            saves = saving_within_epochs(patch, every=1, stop_after=2)
            with pytest.raises(Killed):
                run_proposal(steps["operators"], make_recipe(changes), tmp_path / "stopped", Log())
            seen += saves
    assert seen == [1, 2, 3, 4, 5, 1, 2, 3]
    run_proposal(steps["operators"], make_recipe(changes), tmp_path / "stopped", Log())
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_saving_within_epochs_follows_the_clock(tmp_path, monkeypatch, make_recipe, steps):
    moment = [0.0]
    monkeypatch.setattr(within_epoch.time, "monotonic", lambda: moment[0])
    within = within_epoch.WithinEpoch(tmp_path, 10.0)
    assert not within.due(1)
    moment[0] = 599.0
    assert not within.due(1)
    moment[0] = 600.0
    assert within.due(1)
    assert not within_epoch.WithinEpoch(tmp_path, None).due(1)


def test_a_net_that_went_wrong_is_not_saved_within_an_epoch(tmp_path, monkeypatch, make_recipe, steps):
    saves = saving_within_epochs(monkeypatch, every=1)
    monkeypatch.setattr(
        tasks.ReadingTask, "shared_loss", lambda task, batch: task.recognizer.loss(*batch[:2]) * float("nan")
    )
    with pytest.raises(tasks.LossNotFinite):
        run_proposal(steps["path"], make_recipe(), tmp_path, Log())
    assert saves == [] and not (tmp_path / LAST).exists()
