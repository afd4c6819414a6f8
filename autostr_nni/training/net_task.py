"""Training of one architecture as a Lightning module."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch.utils.data import DataLoader

from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.data.loader import EpochSampler
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.evaluation import Evaluation
from autostr_nni.recipe import Recipe
from autostr_nni.training.batches import joint_loader
from autostr_nni.training.compiling import whole_batches_only
from autostr_nni.training.distributed.group import ALONE, Team
from autostr_nni.training.optimizing.averages import moving_average
from autostr_nni.training.optimizing.optimizers import build_optimizer
from autostr_nni.training.optimizing.rates import Rates, set_rate
from autostr_nni.training.tasks import ReadingTask


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
        epochs: int,
        milestones: bool,
        short_training: WordDataset | None = None,
        team: Team = ALONE,
    ) -> None:
        super().__init__(recognizer, recipe, validation, team, recipe.training.clip)
        self.training_set = training
        self.epoch_images = epoch_images
        options = recipe.training
        self.batches = math.ceil((epoch_images or len(training)) / options.batch_size)  # of an epoch
        steps = math.ceil(self.batches / options.accumulate)
        self.rates = Rates(options, epochs, steps, milestones)
        self.averaged = moving_average(recognizer, options.ema) if options.ema is not None else None
        self._reader.recognizer = self.judged
        self.short_set = short_training  # what the first epochs of `training.short_words` see

    @property
    def sets(self) -> list[WordDataset]:
        short = [] if self.short_set is None else [self.short_set]
        return [self.training_set, *short, *super().sets]

    @property
    def changing_words(self) -> bool:
        return self.short_set is not None

    def ranking_loss(self, evaluation: Evaluation) -> float:
        """After an epoch of short words alone, of the validation words that are as short.

        How well a net guesses at words longer than all that it was shown tells little of it, and is most of
        the loss of all words.
        """
        short, found = self.recipe.training.short_words, None
        if self.short_set is not None and self.current_epoch < short.epochs:
            found = evaluation.loss_of_short(short.max_length, self.validation_set.charset)
        return super().ranking_loss(evaluation) if found is None else found

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return build_optimizer(self.recognizer.parameters(), self.recipe.training.optimizer)

    def train_dataloader(self) -> DataLoader[Batch]:
        words, epoch = self.training_set, self.next_epoch
        length = self.epoch_images or len(words)
        kind = EpochSampler
        if self.short_set is not None:
            short, kind = self.recipe.training.short_words.epochs, FixedEpoch
            words, epoch = (self.short_set, epoch) if epoch < short else (words, epoch - short)
        sampler = kind(len(words), length, seed=self.recipe.seed, epoch=epoch, mix=words.mix)
        size, workers = self.recipe.training.batch_size, self.recipe.data.workers
        return joint_loader(words, size, workers, self.team, sampler, self.first_batch)

    @property
    def judged(self) -> Recognizer:
        return self.recognizer if self.averaged is None else cast("Recognizer", self.averaged.module)

    def training_step(self, batch: Batch, index: int) -> None:
        place, together = self.first_batch + index, self.recipe.training.accumulate
        self._last = (place + 1) % together == 0 or place + 1 == self.batches
        self._together = min(together, self.batches - place // together * together)
        set_rate(
            self.trainer.optimizers[0], self.rates(self.current_epoch * self.rates.steps + place // together)
        )
        if self.takes(batch):
            whole = len(batch.images) == self.recipe.training.batch_size
            with whole_batches_only(self.compiled and not whole):
                self.weight_step(self.augmented(batch, index))
        elif self._last and self._waiting:
            self.move_weights()

    def move_weights(self) -> None:
        super().move_weights()
        if self.averaged is not None:
            self.averaged.update_parameters(self.recognizer)
