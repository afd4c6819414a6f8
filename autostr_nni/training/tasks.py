"""Training of one architecture as a Lightning module, and what all training shares."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from autostr_nni.data.dataset import Batch, EpochSampler, WordDataset, make_loader
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.recipe import Recipe
from autostr_nni.training.evaluation import Evaluation, Reader
from autostr_nni.training.optimizers import build_optimizer, learning_rate, set_rate

ADVICE = "lower the learning rate or the gradient clip of the recipe"


class LossNotFinite(RuntimeError):
    """The training loss became NaN or infinite: the trial has failed."""


class ReadingTask(pl.LightningModule):
    """What every training shares: counters that survive a restart, and validation by reading words."""

    def __init__(self, recognizer: Recognizer, recipe: Recipe, validation: WordDataset) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.recipe = recipe
        self.validation_set = validation
        beam = recipe.evaluation.beam if recipe.evaluation.decoding == "beam" else 1
        self._reader = Reader(recognizer, validation.charset, recipe.data.max_length, beam)
        self.images_seen = 0
        self.seconds_before = 0.0
        self._started = time.monotonic()
        self._loss_sum, self._loss_count = torch.zeros(()), 0
        self.evaluation: Evaluation | None = None

    @property
    def seconds(self) -> float:
        """Seconds of work so far, those before a restart included."""
        return self.seconds_before + time.monotonic() - self._started

    def loss_of(self, batch: Batch) -> Tensor:
        """Recognition loss of a batch on this device; counts its images."""
        self.images_seen += len(batch.images)
        loss = self.recognizer.loss(batch.images, batch.targets)
        self._loss_sum = self._loss_sum.to(loss.device) + loss.detach()
        self._loss_count += 1
        return loss

    @property
    def changing_words(self) -> bool:
        """Whether epochs draw from different sets, so that loaders must be made anew."""
        return False

    @property
    def next_epoch(self) -> int:
        """The epoch that loaders are made for. ``current_epoch`` lags behind it when a run continues, and
        loader processes draw the first words before Lightning moves the sampler on."""
        progress: Any = self.trainer.fit_loop.epoch_progress.current
        return int(progress.processed)

    def extra_metrics(self) -> dict[str, float]:
        """Figures that only some trainings have."""
        return {}

    def on_train_epoch_start(self) -> None:
        self._loss_sum, self._loss_count = torch.zeros(()), 0

    def mean_training_loss(self) -> float:
        """Mean loss of the epoch's batches so far.

        Raises:
            LossNotFinite: it is NaN or infinite.
        """
        mean = float(self._loss_sum) / max(1, self._loss_count)
        if not math.isfinite(mean):
            raise LossNotFinite(f"the training loss is {mean} in epoch {self.current_epoch}: {ADVICE}")
        return mean

    def on_validation_epoch_start(self) -> None:
        self.mean_training_loss()
        self._reader.reset()

    def validation_step(self, batch: Batch, index: int) -> None:
        self._reader.add(batch)

    def on_validation_epoch_end(self) -> None:
        self.evaluation = self._reader.result(self.validation_set.skipped)
        self._reader.reset()
        scores = self.evaluation.scores
        bar = {"word_accuracy": scores.word_accuracy, "val_loss": self.evaluation.loss}
        self.log_dict(bar, prog_bar=True, batch_size=max(1, scores.words))

    def val_dataloader(self) -> DataLoader[Batch]:
        return make_loader(self.validation_set, self.recipe.evaluation.batch_size, self.recipe.data.workers)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["autostr"] = {"images_seen": self.images_seen, "seconds": self.seconds}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint["autostr"]
        self.images_seen, self.seconds_before = state["images_seen"], state["seconds"]

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return batch._replace(
            images=batch.images.to(device, non_blocking=True),
            targets=batch.targets.to(device, non_blocking=True),
        )


class FixedEpoch(EpochSampler):
    """The sampler of one epoch: Lightning's own count of epochs does not move it."""

    def set_epoch(self, epoch: int) -> None:
        if not hasattr(self, "epoch"):
            super().set_epoch(epoch)


class RecognitionTask(ReadingTask):
    """Trains one recognizer on D_tra: step 1's paths, step 3, and every net trained alone."""

    def __init__(
        self,
        recognizer: Recognizer,
        recipe: Recipe,
        training: WordDataset,
        validation: WordDataset,
        epoch_images: int | None,
        schedule: bool,
        short_training: WordDataset | None = None,
    ) -> None:
        super().__init__(recognizer, recipe, validation)
        self.training_set = training
        self.epoch_images = epoch_images
        self.schedule = schedule  # step 1 is short and keeps the first rate
        self.short_set = short_training  # what the first epochs of `training.short_words` see

    @property
    def changing_words(self) -> bool:
        return self.short_set is not None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return build_optimizer(self.recognizer.parameters(), self.recipe.training.optimizer)

    def train_dataloader(self) -> DataLoader[Batch]:
        words, epoch = self.training_set, self.next_epoch
        length = self.epoch_images or len(words)
        kind = EpochSampler
        if self.short_set is not None:
            short, kind = self.recipe.training.short_words.epochs, FixedEpoch
            words, epoch = (self.short_set, epoch) if epoch < short else (words, epoch - short)
        sampler = kind(len(words), length, seed=self.recipe.seed, epoch=epoch)
        return make_loader(words, self.recipe.training.batch_size, self.recipe.data.workers, sampler)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.schedule:
            rate = learning_rate(self.recipe.training, self.current_epoch)
            for optimizer in self.trainer.optimizers:
                set_rate(optimizer, rate)

    def training_step(self, batch: Batch, index: int) -> Tensor | None:
        return self.loss_of(batch) if len(batch.images) else None


def endless(dataset: WordDataset, batch_size: int, batches: int, seed: int, epoch: int) -> Iterator[Batch]:
    """The ``batches`` batches of D_val that belong to an epoch, whatever came before it."""
    sampler = EpochSampler(len(dataset), batches * batch_size, seed=seed, epoch=epoch)
    yield from make_loader(dataset, batch_size, 0, sampler)
