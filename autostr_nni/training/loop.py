"""The Lightning trainer of a trial, which goes on exactly where one was stopped."""

from __future__ import annotations

import logging
import re
import signal
import sys
import warnings
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.utilities.exceptions import SIGTERMException

from autostr_nni.recipe.training import TrainingSection
from autostr_nni.training.callbacks.epoch_end import EpochEnd
from autostr_nni.training.callbacks.undecodable import TellUndecodable
from autostr_nni.training.callbacks.within_epoch import Pulse, WithinEpoch
from autostr_nni.training.device_setup import device_of
from autostr_nni.training.distributed.lightning_strategy import TeamStrategy
from autostr_nni.training.going_on.continuing import CheckpointFiles, checkpoint_of
from autostr_nni.training.tasks import ReadingTask

#: `training.precision` of float16.
HALF: Literal["16-mixed"] = "16-mixed"
#: A signal to the whole group of processes may reach a loader process first: torch then raises an error.
_ENDED = re.compile("killed by signal: (Terminated|Hangup|Interrupt)")


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
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # the figures are those of all already
