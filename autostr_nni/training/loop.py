"""The Lightning trainer of a trial: epochs, checkpoints that continue exactly, reports."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.utilities.exceptions import SIGTERMException

from autostr_nni.recipe.training import TrainingSection
from autostr_nni.recipe.words.metric import METRICS, WORD_ACCURACY
from autostr_nni.runs.doing import BEGINS, tell_doing
from autostr_nni.runs.figures import Figures, Report, figures
from autostr_nni.runs.layout import LAST, PULSE
from autostr_nni.runs.records import append_metrics, keep_word_losses, write_metrics
from autostr_nni.strategies.trials import merit
from autostr_nni.training.device_setup import device_of
from autostr_nni.training.distributed.lightning_strategy import TeamStrategy
from autostr_nni.training.going_on.continuing import CheckpointFiles, checkpoint_of
from autostr_nni.training.tasks import ReadingTask
from autostr_nni.training.undecodable import TellUndecodable

#: `training.precision` of float16.
HALF: Literal["16-mixed"] = "16-mixed"
#: A signal to the whole group of processes may reach a loader process first: torch then raises an error.
_ENDED = re.compile("killed by signal: (Terminated|Hangup|Interrupt)")


class EpochEnd(pl.Callback):
    """After every epoch: keep the best, save where to continue, then record and report the metrics.

    Saving comes before reporting, so a report always has its checkpoint. The metrics of all epochs are in the
    checkpoint too: a trial that was killed between saving and recording loses no line of its metrics.
    """

    def __init__(
        self,
        folder: Path,
        fixed: Figures,
        report: Report,
        save_best: Callable[[Figures], None] | None = None,
        patience: int | None = None,
        keep_losses: bool = False,
    ) -> None:
        self.keep_losses = keep_losses  # of every validation word
        self.folder, self.fixed, self.report = folder, fixed, report
        self.save_best, self.patience = save_best, patience
        self.lines: list[Figures] = []

    def state_dict(self) -> dict[str, Any]:
        return {"lines": self.lines}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lines = [figures(line) for line in state_dict["lines"]]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            write_metrics(self.folder, self.lines)
        trainer.should_stop = self.out_of_patience()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, ReadingTask)
        pl_module.epoch_ends()
        metrics = self.metrics(pl_module)
        before = best_epoch(self.lines)
        leads = pl_module.team.leads  # the others go through the same, and write nothing
        if leads and self.save_best and (before is None or merit(metrics) > merit(before)):
            self.save_best(metrics)
        if leads and self.keep_losses and pl_module.evaluation is not None:
            keep_word_losses(self.folder, pl_module.evaluation.losses, pl_module.evaluation.texts)
        self.lines.append(metrics)
        trainer.save_checkpoint(self.folder / LAST)
        if leads:
            append_metrics(self.folder, metrics)
            self.report(metrics, False)
        trainer.should_stop = self.out_of_patience()

    def out_of_patience(self) -> bool:
        """Whether the best epoch lies so far back that training ends."""
        best = best_epoch(self.lines)
        if self.patience is None or best is None:
            return False
        waited: int = self.lines[-1]["epoch"] - best["epoch"]
        return waited >= self.patience

    def metrics(self, task: ReadingTask) -> Figures:
        """The figures of the epoch that just ended; the same keys every time."""
        assert task.evaluation is not None, "validation has not run"
        scores = task.evaluation.scores
        metric = METRICS[task.recipe.evaluation.metric]
        chosen_by: Figures = {}
        if metric is not WORD_ACCURACY:
            chosen_by = {"metric": metric.name, "word_accuracy": scores.word_accuracy, "cer": scores.cer}
        return {
            "default": metric.of_set(scores.to_dict()),
            "loss": task.evaluation.loss,
            "training_loss": task.mean_training_loss(),
            "case_sensitive": scores.case_sensitive_accuracy,
            "one_minus_ned": scores.one_minus_ned,
            "words": scores.words + (scores.empty if metric.name == "case_sensitive" else 0),
            "blind": round(task.evaluation.blind, 4),
            **chosen_by,
            **self.fixed,
            **task.extra_metrics(),
            "epoch": task.current_epoch,
            "images_seen": task.images_seen,
            "seconds": round(task.seconds, 2),
        }


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


def best_epoch(lines: list[Figures]) -> Figures | None:
    """The recorded epoch of most merit; the first of equals."""
    return max(lines, key=merit) if lines else None


def fit(task: ReadingTask, training: TrainingSection, epochs: int, folder: Path, callback: EpochEnd) -> None:
    """Train ``task`` for ``epochs`` in all, from ``last.ckpt`` in ``folder`` where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    accelerator, devices = device_of(training)
    team = task.team
    if team.size > 1:
        devices = list(range(team.size)) if accelerator == "gpu" else team.size
    quiet_lightning()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator=accelerator,
        devices=devices,
        strategy=TeamStrategy(team) if team.size > 1 else "auto",
        use_distributed_sampler=False,  # our loaders give each process its part
        precision=None if training.precision == HALF else training.precision,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=team.leads and sys.stderr.isatty(),
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1 if task.changing_words else 0,
        default_root_dir=folder,
        callbacks=[
            TellUndecodable(team),
            WithinEpoch(folder, training.checkpoint_minutes),
            Pulse(folder),
            callback,
        ],
        plugins=[CheckpointFiles(), *half_precision(training.precision, accelerator)],
    )
    start = team.as_leader(lambda: checkpoint_of(folder))
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, ckpt_path=str(start) if start else None, weights_only=True)
    except RuntimeError as error:
        if _ENDED.search(str(error)) is None:
            raise
        raise KeyboardInterrupt from error
    except SystemExit as end:
        # Lightning turns Ctrl-C into an exit, and leaves the process deaf to the next one. Where SIGTERM came
        # at a line whose exceptions Python passes over (in a fork, a finalizer), Lightning has noticed it,
        # and ends as if all were well.
        if not isinstance(end, SIGTERMException) and not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, interrupt)
        raise KeyboardInterrupt from None
    finally:
        for words in task.sets:  # Lightning's objects hold one another, so that they live on for a while
            words.close()


def half_precision(precision: str, accelerator: str) -> list[MixedPrecision]:
    """Lightning's plugin of float16 with a scaler of gradients, whose state is in the checkpoints.

    By the name alone Lightning would train in bfloat16 on a CPU.
    """
    return [MixedPrecision(HALF, "cuda" if accelerator == "gpu" else "cpu")] if precision == HALF else []


def quiet_lightning() -> None:
    """Keep Lightning's advice out of a trial's log; its errors stay."""
    import logging

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # the figures are those of all already
