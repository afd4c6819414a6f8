"""Within an epoch: where to go on from is saved, and how far the trial is is told."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from autostr_nni.runs.doing import BEGINS, tell_doing
from autostr_nni.runs.layout import LAST, PULSE
from autostr_nni.training.tasks import ReadingTask


class WithinEpoch(pl.Callback):
    """Saves where to continue within long epochs too, every so many minutes."""

    def __init__(self, folder: Path, minutes: float | None) -> None:
        self.folder, self.minutes = folder, minutes
        self._saved = time.monotonic()

    def due(self, batches_done: int) -> bool:
        """Whether to save now."""
        return self.minutes is not None and time.monotonic() - self._saved >= 60 * self.minutes

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, ReadingTask)
        task = pl_module
        task.batches_done = task.first_batch + batch_idx + 1
        last = batch_idx + 1 >= trainer.num_training_batches  # the end of the epoch saves by itself
        if self.minutes is None or last or not task.between_steps:
            return
        if not task.team.counts(self.due(task.batches_done))[0]:
            return
        task.mean_training_loss()  # raises where it is not finite: such a net is not worth going on from
        trainer.save_checkpoint(self.folder / LAST)
        self._saved = time.monotonic()


class Pulse(pl.Callback):
    """Tells every few seconds how far the trial is, for whoever shows the search's progress."""

    def __init__(self, folder: Path, seconds: float = 5.0) -> None:
        self.file, self.seconds = folder / PULSE, seconds
        self._told = time.monotonic()
        self._begun = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            tell_doing(self.file.parent, BEGINS)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, ReadingTask)
        begun, self._begun = self._begun, True
        if not pl_module.team.leads:
            return
        if time.monotonic() - self._told < self.seconds:
            if not begun:
                tell_doing(self.file.parent, None)
            return
        self._told = time.monotonic()
        told = {"images_seen": pl_module.images_seen, "seconds": round(pl_module.seconds, 2)}
        with contextlib.suppress(OSError):  # only the progress line misses it
            self.file.write_text(json.dumps(told) + "\n", encoding="utf-8")
