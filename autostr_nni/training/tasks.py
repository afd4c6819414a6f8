"""What all training shares besides validation, as a Lightning module."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from autostr_nni.data.augment import Augmentation
from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.augment import amounts
from autostr_nni.runs.figures import Figures
from autostr_nni.system.errors import TrainingFailed
from autostr_nni.training.distributed.group import Team
from autostr_nni.training.distributed.synced_norm import synchronise
from autostr_nni.training.validating import ValidatingTask

ADVICE = "lower the learning rate or the gradient clip of the recipe"

# What a checkpoint between two epochs says of the one in flight.
_BETWEEN_EPOCHS: dict[str, Any] = {"batches_done": 0, "loss_sum": torch.zeros(()), "loss_count": 0}
#: Lightning's name for the count of steps, which alone moves on within an epoch.
_STEPS = "epoch_loop.manual_optimization.optim_step_progress"


class LossNotFinite(TrainingFailed):
    """The training loss became NaN or infinite: the trial has failed."""


class ReadingTask(ValidatingTask):
    """What every training shares: weight steps, counters that survive a restart.

    In a team each process steps with its part of the batch, and gradients, BatchNorm's statistics and figures
    are those of the whole. A step in which a process has no image is left out by all.
    """

    def __init__(
        self, recognizer: Recognizer, recipe: Recipe, validation: WordDataset, team: Team, clip: float | None
    ) -> None:
        super().__init__(recognizer, recipe, validation, team)
        self.automatic_optimization = False
        self.clip = clip
        changes = amounts(recipe.training.augment)
        self.augmentation = Augmentation(changes, recipe.seed) if changes else None
        if team.size > 1:
            synchronise(recognizer)
        self.images_seen = 0
        self.seconds_before = 0.0
        self._started = time.monotonic()
        self._share = 1.0  # of this process in the images of the step
        self._loss_sum, self._loss_count = torch.zeros(()), 0
        self._waiting = 0  # batches whose gradients wait for others
        self._together, self._last = 1, True  # batches of the step, and whether this is the last of them
        self.first_batch = 0  # of the epoch in which a run continues: those before it were taken
        self.batches_done = 0  # of this epoch; 0 between epochs
        self._loops: dict[str, Any] | None = None  # Lightning's counts when the epoch began

    @property
    def seconds(self) -> float:
        """Seconds of work so far, those before a restart included."""
        return self.seconds_before + time.monotonic() - self._started

    def takes(self, batch: Batch) -> bool:
        """Whether a step is made with this batch, of which this process has a part; counts its images."""
        counts = self.team.counts(len(batch.images))
        if not all(counts):
            return False
        self.images_seen += sum(counts)
        self._share = counts[self.team.rank] / sum(counts)
        return True

    def augmented(self, batch: Batch, index: int) -> Batch:
        """A batch of D_tra as the net is to see it: the ``index``-th since the epoch began or went on."""
        if self.augmentation is None:
            return batch
        place = self.current_epoch, self.first_batch + index, self.team.rank, self.team.size
        return batch._replace(images=self.augmentation(batch.images, *place))

    def shared_loss(self, batch: Batch) -> Tensor:
        """Recognition loss of this process's part, as it counts in the mean over the whole batch."""
        loss = self.recognizer.loss(batch.images, batch.targets)
        return loss if self.team.size == 1 else loss * self._share

    def loss_of(self, batch: Batch) -> Tensor:
        """`shared_loss` of a batch that is trained on."""
        loss = self.shared_loss(batch)
        self._loss_sum = self._loss_sum.to(loss.device) + loss.detach()
        self._loss_count += 1
        return loss

    def weight_step(self, batch: Batch) -> None:
        """One step of the weights that the batch reaches, or its part of a step of several batches."""
        if not self._waiting:
            self._optimizer.zero_grad(set_to_none=True)
        self._waiting += 1
        loss = self.loss_of(batch)
        self.manual_backward(loss if self._together == 1 else loss / self._together)
        if self._last:
            self.move_weights()

    def move_weights(self) -> None:
        """A step by the gradients that there are."""
        self.team.sum_gradients(self.recognizer.parameters())
        self._optimizer.step()
        self._waiting = 0

    @property
    def _optimizer(self) -> Any:
        """That of the weights."""
        optimizers: Any = self.optimizers()
        return optimizers[0] if isinstance(optimizers, list) else optimizers

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients of the weights: here those of 16-mixed have their own size again."""
        if self.clip is not None and optimizer is self.trainer.optimizers[0]:
            self.clip_gradients(optimizer, gradient_clip_val=self.clip, gradient_clip_algorithm="norm")

    @property
    def judged(self) -> Recognizer:
        """The recognizer that is evaluated and saved."""
        return self.recognizer

    @property
    def between_steps(self) -> bool:
        """Whether no gradient waits for another batch."""
        return not self._waiting

    @property
    def sets(self) -> list[WordDataset]:
        """What it reads words from."""
        return [self.validation_set]

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

    def extra_metrics(self) -> Figures:
        """Figures that only some trainings have."""
        return {}

    def on_fit_start(self) -> None:
        if self._loops is None:
            self._loops = deepcopy(self.trainer.fit_loop.state_dict())

    def on_train_epoch_start(self) -> None:
        if self.first_batch:  # the loader of this epoch is a short one: the next needs another
            self.trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
            return
        if not self.changing_words:
            self.trainer.reload_dataloaders_every_n_epochs = 0  # type: ignore[attr-defined]
        self._loss_sum, self._loss_count = torch.zeros(()), 0

    def epoch_ends(self) -> None:
        """All batches of the epoch are done: what is saved from here on continues with the next."""
        self.first_batch = self.batches_done = 0

    def mean_training_loss(self) -> float:
        """Mean loss of the epoch's batches so far.

        Raises:
            LossNotFinite: it is NaN or infinite.
        """
        # An epoch of which this process took no batch has left it on the CPU.
        mean = float(self.team.sum(self._loss_sum.to(self.device))) / max(1, self._loss_count)
        if not math.isfinite(mean):
            raise LossNotFinite(f"the training loss is {mean} in epoch {self.current_epoch}: {ADVICE}")
        return mean

    def on_validation_epoch_start(self) -> None:
        self.mean_training_loss()
        super().on_validation_epoch_start()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.batches_done:
            # Lightning would go on within an epoch by counts of its own. It is given those of the epoch's
            # start, and this task leaves out the batches that were taken.
            now, start = checkpoint["loops"]["fit_loop"], self._loops or {}
            checkpoint["loops"]["fit_loop"] = {**start, _STEPS: now[_STEPS]}
        else:
            self._loops = deepcopy(checkpoint["loops"]["fit_loop"])
        checkpoint["autostr"] = {
            "images_seen": self.images_seen,
            "seconds": self.seconds,
            "random": torch.get_rng_state(),
            **_BETWEEN_EPOCHS,
        }
        if self.batches_done:
            checkpoint["autostr"] |= {
                "batches_done": self.batches_done,
                "loss_sum": self.team.sum(self._loss_sum).cpu(),
                "loss_count": self._loss_count,
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = {**_BETWEEN_EPOCHS, **checkpoint["autostr"]}
        self.images_seen, self.seconds_before = state["images_seen"], state["seconds"]
        self.first_batch = self.batches_done = state["batches_done"]
        self._loss_sum = state["loss_sum"] if self.team.leads else torch.zeros(())
        self._loss_count = state["loss_count"]
        self._loops = deepcopy(checkpoint["loops"]["fit_loop"])
        if "random" in state:
            torch.set_rng_state(state["random"])
