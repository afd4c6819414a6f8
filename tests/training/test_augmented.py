"""Training with augmentation: killed and resumed the same, by any number of workers, never on validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from autostr_nni.reading.evaluation import Reader, open_set
from autostr_nni.runs.records import read_metrics
from autostr_nni.training import net_task, tasks
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Killed, Log, assert_same_end, saving_within_epochs

CHANGES: dict[str, Any] = {
    "training.epoch_images": 36,
    "training.epochs": 2,
    "search.operators.epoch_images": 36,
    "search.path.epochs": 2,
    "training.augment": "strong",
}


@pytest.mark.parametrize("step", ["path", "operators", "train"])
def test_stopped_within_an_epoch(tmp_path: Path, monkeypatch, make_recipe, steps, step: str) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run_proposal(steps[step], make_recipe(CHANGES), whole, Log())
    recipe = make_recipe({**CHANGES, "data.workers": 1})
    with monkeypatch.context() as patch:
        saving_within_epochs(patch, every=2, stop_after=1)
        with pytest.raises(Killed):
            run_proposal(steps[step], recipe, stopped, Log())
    run_proposal(steps[step], recipe, stopped, Log())
    assert_same_end(stopped, whole)
    run_proposal(steps[step], make_recipe({**CHANGES, "training.augment": "none"}), tmp_path / "off", Log())
    assert read_metrics(tmp_path / "off")[-1]["training_loss"] != read_metrics(whole)[-1]["training_loss"]


def test_validation_and_architecture_steps_see_images_as_they_are(
    tmp_path: Path, monkeypatch, make_recipe, steps
) -> None:
    recipe = make_recipe(CHANGES)
    sets = [open_set(recipe, folders) for folders in (recipe.data.validation, recipe.data.train)]
    known, trained = ({image.numpy().tobytes() for image in s.batch(range(len(s))).images} for s in sets)
    read, learnt = [], []
    add, loss = Reader.add, tasks.ReadingTask.shared_loss

    def watched_add(reader: Reader, batch: Any) -> None:
        read.extend(image.numpy().tobytes() for image in batch.images)
        add(reader, batch)

    def watched_loss(task: Any, batch: Any) -> torch.Tensor:
        learnt.extend(image.numpy().tobytes() for image in batch.images)
        return loss(task, batch)

    monkeypatch.setattr(Reader, "add", watched_add)
    monkeypatch.setattr(tasks.ReadingTask, "shared_loss", watched_loss)
    run_proposal(steps["operators"], recipe, tmp_path, Log())
    assert set(read) == known
    from_validation = [image for image in learnt if image in known]
    assert len(from_validation) == 2 * 2 * 8  # the architecture steps of two epochs
    as_they_are = [image for image in learnt if image in trained]
    assert 0 < len(as_they_are) < 3 * 36 / 2


def test_without_augmentation_a_batch_is_what_was_loaded(make_recipe) -> None:
    recipe = make_recipe()
    task = net_task.RecognitionTask(
        torch.nn.Identity(), recipe, *[open_set(recipe, recipe.data.train)] * 2, None, 1, True
    )  # type: ignore[arg-type]
    batch = task.training_set.batch([0, 1])
    assert task.augmented(batch, 0) is batch
