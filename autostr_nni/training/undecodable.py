"""Images that cannot be decoded: found only when they are drawn, told once, an error where none is left."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from autostr_nni.data.dataset import Batch
from autostr_nni.training.evaluation import UNDECODABLE, check_any_decoded


class TellUndecodable(pl.Callback):
    """Prints after an epoch how many images of each set were left out, the first time that there are any."""

    def __init__(self) -> None:
        self.dropped = 0
        self.told: set[str] = set()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(batch, Batch)
        self.dropped += batch.dropped

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task: Any = pl_module
        check_any_decoded(task.training_set, task.images_seen)
        check_any_decoded(task.validation_set, task.evaluation.read)
        self._tell(f"training images drawn in epoch {trainer.current_epoch + 1}", self.dropped)
        self._tell("validation images", task.evaluation.skipped.get(UNDECODABLE, 0))
        self.dropped = 0

    def _tell(self, images: str, count: int) -> None:
        kind = images.split()[0]
        if count and kind not in self.told:
            self.told.add(kind)
            print(f"{count} of the {images} {UNDECODABLE}", flush=True)
