"""Validation by reading words, as all training has it."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.evaluation import Evaluation, Reader
from autostr_nni.reading.memory import memory_told
from autostr_nni.recipe import Recipe
from autostr_nni.training.batches import joint_loader
from autostr_nni.training.compiling import whole_batches_only
from autostr_nni.training.distributed.group import Team


class ValidatingTask(pl.LightningModule):
    """A recognizer that reads validation words after every epoch; in a team each process reads a part."""

    def __init__(self, recognizer: Recognizer, recipe: Recipe, validation: WordDataset, team: Team) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.recipe = recipe
        self.team = team
        self.compiled = False  # the backbone, for batches of the recipe's size
        self.validation_set = validation
        self._reader = Reader(recognizer, validation.charset, recipe.data.max_length, recipe.evaluation.width)
        self.evaluation: Evaluation | None = None

    def on_validation_epoch_start(self) -> None:
        self._reader.reset()

    def validation_step(self, batch: Batch, index: int) -> None:
        size = self.recipe.evaluation.batch_size
        with whole_batches_only(self.compiled), memory_told("evaluation.batch_size", size):
            self._reader.add(batch)

    def on_validation_epoch_end(self) -> None:
        self._join_readings()
        self.evaluation = self._reader.result(self.validation_set.skipped)
        self._reader.reset()
        scores = self.evaluation.scores
        bar = {"word_accuracy": scores.word_accuracy, "val_loss": self.evaluation.loss}
        self.log_dict(bar, prog_bar=True, batch_size=max(1, scores.words))

    def ranking_loss(self, evaluation: Evaluation) -> float:
        """Mean loss of a validation word, nats, by which nets that were trained equally long are ranked."""
        return evaluation.loss

    def _join_readings(self) -> None:
        """Put the readings of all processes together: each has read its part of the set."""
        reader = self._reader
        parts = self.team.gathered((reader.pairs, reader.losses, reader.undecodable))
        reader.pairs = [pair for pairs, _, _ in parts for pair in pairs]
        reader.losses = [loss for _, losses, _ in parts for loss in losses]
        reader.undecodable = sum(count for _, _, count in parts)

    def val_dataloader(self) -> DataLoader[Batch]:
        size, workers = self.recipe.evaluation.batch_size, self.recipe.data.workers
        return joint_loader(self.validation_set, size, workers, self.team)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return batch._replace(
            images=batch.images.to(device, non_blocking=True),
            targets=batch.targets.to(device, non_blocking=True),
        )
