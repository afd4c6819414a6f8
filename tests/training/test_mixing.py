"""Trials over sets with weights: the shares of every epoch, also after a stop, and who is judged by what."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from autostr_nni.training.callbacks import within_epoch
from autostr_nni.training.run_trial import run_proposal
from autostr_nni.training.tasks import ReadingTask
from tests.training.recipe_keys.watch import watched, write_sets
from tests.training.stopping import Killed, Log

KINDS = {"0": "train", "1": "validation", "2": "test"}  # by a word's last letter


@pytest.fixture
def mixed(tmp_path: Path, make_recipe):
    """`mixed({...})`: a recipe that draws three sets in the shares 5, 3 and 2, 10 images an epoch."""
    folder = write_sets(tmp_path / "sets")

    def make(changes: dict[str, Any] | None = None):
        weights = {"train": 0.5, "validation": 0.3, "test": 0.2}
        mixture = [{"set": str(folder / name), "weight": weight} for name, weight in weights.items()]
        return make_recipe(
            {
                "data.train": mixture,
                "data.validation": [str(folder / "validation")],
                "training.epoch_images": 20,
                "training.epochs": 10,
                "search.operators.epoch_images": 20,
                "search.operators.epochs": 2,
                **(changes or {}),
            }
        )

    return make


@pytest.mark.parametrize("step", ["train", "operators"])
def test_every_epoch_has_its_shares(tmp_path, mixed, steps, step: str) -> None:
    seen = watched(mixed(), steps[step], tmp_path / "trial")
    assert seen.epochs == (10 if step == "train" else 3)
    for epoch in range(seen.epochs):
        drawn = Counter(KINDS[text[-1]] for text in seen.words(epoch))
        assert drawn == {"train": 10, "validation": 6, "test": 4}


def words_of(monkeypatch, recipe, proposal, folder: Path, stop_after: int = 0) -> list[list[str]]:
    """The words of every weight step; the process ends right after the n-th save within an epoch."""
    steps: list[list[str]] = []
    saves: list[int] = []
    step, save = ReadingTask.weight_step, pl.Trainer.save_checkpoint

    def watched_step(task: ReadingTask, batch: Any) -> None:
        steps.append(list(batch.texts))
        step(task, batch)

    def watched_save(trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        save(trainer, *args, **kwargs)
        if trainer.lightning_module.batches_done:
            saves.append(trainer.lightning_module.batches_done)
            if len(saves) == stop_after:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(within_epoch.WithinEpoch, "due", lambda self, done: done == 2)
        patch.setattr(pl.Trainer, "save_checkpoint", watched_save)
        patch.setattr(ReadingTask, "weight_step", watched_step)
        try:
            run_proposal(proposal, recipe, folder, Log())
        except Killed:
            assert stop_after
    return steps


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_resumed_the_same_words(tmp_path, monkeypatch, mixed, steps, workers: int) -> None:
    short = {"training.epochs": 3, "training.short_words": {"max_length": 2, "epochs": 1}}
    whole = words_of(monkeypatch, mixed(short), steps["train"], tmp_path / "whole")
    recipe, folder = mixed({**short, "data.workers": workers}), tmp_path / "stopped"
    parts = words_of(monkeypatch, recipe, steps["train"], folder, stop_after=2)
    assert len(parts) == 3 + 2
    parts += words_of(monkeypatch, recipe, steps["train"], folder)
    assert parts == whole and len(whole) == 9


def test_validation_sets_by_purpose(tmp_path, mixed, steps) -> None:
    place = tmp_path / "sets"
    of = {"ranking": [str(place / "train")], "alpha": [str(place / "test")], "epochs": [str(place / "test")]}
    recipe = mixed({"data.validation_of": of, "training.epochs": 1, "search.path.epochs": 1})
    ranked = watched(recipe, steps["path"], tmp_path / "path")
    assert {KINDS[text[-1]] for batch in ranked.read for text in batch} == {"train"}
    searched = watched(recipe, steps["operators"], tmp_path / "operators")
    assert {KINDS[t[-1]] for step in searched.architecture for t in step.texts} == {"test"}
    assert {KINDS[text[-1]] for batch in searched.read for text in batch} == {"validation"}
    trained = watched(recipe, steps["train"], tmp_path / "train")
    assert {KINDS[text[-1]] for batch in trained.read for text in batch} == {"test"}


def test_validation_in_shares(tmp_path, mixed, steps) -> None:
    place = tmp_path / "sets"
    both = [{"set": str(place / "train"), "weight": 3}, {"set": str(place / "validation"), "weight": 1}]
    seen = watched(mixed({"data.validation": both, "training.epochs": 1}), steps["path"], tmp_path / "path")
    read = Counter(KINDS[text[-1]] for batch in seen.read[: len(seen.read) // seen.epochs] for text in batch)
    assert read == {"train": 18, "validation": 6}  # of 18 and 18 words, none twice
