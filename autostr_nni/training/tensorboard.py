"""TensorBoard logs of a trial, where its recipe asks for them (`training.tensorboard`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from autostr_nni.recipe import Recipe
from autostr_nni.recipe.extras import check_extras

#: Folder of the logs, in a trial's own.
FOLDER = "tensorboard"
_NAMES = {
    "default": "validation/word_accuracy",
    "case_sensitive": "validation/case_sensitive",
    "one_minus_ned": "validation/one_minus_ned",
    "loss": "validation/loss",
    "training_loss": "training/loss",
    "seconds": "training/seconds",
    "epoch": "training/epoch",
    "flops_m": "cost/flops_m",
    "params_m": "cost/params_m",
    "expected_flops_m": "search/expected_flops_m",
    "entropy": "search/entropy",
}

Report = Callable[[dict[str, Any], bool], None]


def logged(report: Report, recipe: Recipe, folder: Path) -> Report:
    """``report``, and TensorBoard besides if the recipe asks: every epoch's figures over the images seen.

    So trials are compared at equal images. A trial that continues adds to its logs.

    Raises:
        InputError: the recipe asks for it and TensorBoard is not installed.
    """
    if not recipe.training.tensorboard:
        return report
    check_extras(recipe)
    logs = folder / FOLDER
    logs.mkdir(parents=True, exist_ok=True)
    link_for_button(logs)

    def also(metrics: dict[str, Any], final: bool) -> None:
        if not final:
            write(logs, metrics)
        report(metrics, final)

    return also


def write(logs: Path, metrics: dict[str, Any]) -> None:
    """One epoch's figures. The file is closed each time: a trial may be killed at any moment."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(logs)) as writer:
        for key, name in _NAMES.items():
            if key in metrics:
                writer.add_scalar(name, metrics[key], metrics["images_seen"])


def link_for_button(logs: Path) -> None:
    """Let the button of NNI's page find the logs of a trial on this machine.

    NNI 3.0 looks in ``EXPERIMENT/trials/ID/output/tensorboard``, but trials are told to write to
    ``EXPERIMENT/environments/ENVIRONMENT/trials/ID``.
    """
    trial = logs.parent.absolute()
    if (
        "NNI_OUTPUT_DIR" not in os.environ
        or len(trial.parents) < 4
        or trial.parents[2].name != "environments"
    ):
        return
    place = trial.parents[3] / "trials" / trial.name / "output" / FOLDER
    with suppress(OSError):  # without it TensorBoard can still be started by hand
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            place.rmdir()  # made by the button before there were logs
        if not place.is_symlink():
            place.symlink_to(logs, target_is_directory=True)
