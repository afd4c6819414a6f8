"""Images that cannot be decoded: found only when they are drawn, told once, an error where none is left."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from autostr_nni.data.dataset import Batch
from autostr_nni.training.evaluation import UNDECODABLE, check_any_decoded
from autostr_nni.training.team import Team


class TellUndecodable(pl.Callback):
    """Prints after an epoch how many images of each set were left out, the first time that there are any."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.dropped = 0  # in this process, since the epoch began
        self.told: set[str] = set()

    def state_dict(self) -> dict[str, Any]:
        return {"dropped": sum(self.team.counts(self.dropped)), "told": sorted(self.told)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.dropped = state_dict["dropped"] if self.team.leads else 0
        self.told = set(state_dict["told"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(batch, Batch)
        self.dropped += batch.dropped

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task: Any = pl_module
        check_any_decoded(task.training_set, task.images_seen)
        check_any_decoded(task.validation_set, task.evaluation.read)
        dropped = sum(self.team.counts(self.dropped))
        self._tell(f"training images drawn in epoch {trainer.current_epoch + 1}", dropped)
        self._tell("validation images", task.evaluation.skipped.get(UNDECODABLE, 0))
        self.dropped = 0

    def _tell(self, images: str, count: int) -> None:
        kind = images.split()[0]
        if count and kind not in self.told:
            self.told.add(kind)
            print(f"{count} of the {images} {UNDECODABLE}", flush=True)
