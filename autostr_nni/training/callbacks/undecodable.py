"""Words that training or word accuracy goes without, told once.

Images that cannot be decoded are found only when they are drawn; where none is left, it is an error.
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from autostr_nni.data.dataset import Batch
from autostr_nni.data.decoding.images import UNDECODABLE
from autostr_nni.reading.evaluation import check_any_decoded
from autostr_nni.training.distributed.group import Team

NOTHING = "have no character that is compared: word accuracy leaves them out"


class TellUndecodable(pl.Callback):
    """Prints after an epoch how many images or words were left out, the first time that there are any."""

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
        self._tell(f"{task.evaluation.read} words read for validation", task.evaluation.scores.empty, NOTHING)
        self.dropped = 0

    def _tell(self, of: str, count: int, what: str = UNDECODABLE) -> None:
        kind = of.split()[0] if what == UNDECODABLE else what
        if count and kind not in self.told:
            self.told.add(kind)
            print(f"{count} of the {of} {what}", flush=True)
