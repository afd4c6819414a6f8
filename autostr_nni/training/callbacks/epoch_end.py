"""The end of an epoch: the best net is kept, and the epoch is saved, recorded and reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from autostr_nni.recipe.words.metric import METRICS, WORD_ACCURACY
from autostr_nni.runs.figures import Figures, Report, figures
from autostr_nni.runs.layout import LAST
from autostr_nni.runs.records import append_metrics, keep_word_losses, write_metrics
from autostr_nni.strategies.trials import merit
from autostr_nni.training.tasks import ReadingTask


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
            "loss": task.ranking_loss(task.evaluation),
            "training_loss": task.mean_training_loss(),
            "case_sensitive": scores.case_sensitive_accuracy,
            "one_minus_ned": scores.one_minus_ned,
            "words": scores.words + (scores.empty if metric.name == "case_sensitive" else 0),
            "blind": task.evaluation.blind,
            **chosen_by,
            **self.fixed,
            **task.extra_metrics(),
            "epoch": task.current_epoch,
            "images_seen": task.images_seen,
            "seconds": round(task.seconds, 2),
        }


def best_epoch(lines: list[Figures]) -> Figures | None:
    """The recorded epoch of most merit; the first of equals."""
    return max(lines, key=merit) if lines else None
