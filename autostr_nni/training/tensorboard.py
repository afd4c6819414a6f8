"""TensorBoard logs of a trial, where its recipe asks for them (`training.tensorboard`)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autostr_nni.recipe.checks.extras import check_tensorboard
from autostr_nni.recipe.words.metric import metric_of
from autostr_nni.runs.figures import Figures, Report
from autostr_nni.search_spaces.counting import UNITS

#: Folder of the logs, in a trial's own.
FOLDER = "tensorboard"
_NAMES = {
    "word_accuracy": "validation/word_accuracy",  # where another figure chooses
    "case_sensitive": "validation/case_sensitive",
    "one_minus_ned": "validation/one_minus_ned",
    "loss": "validation/loss",
    "training_loss": "training/loss",
    "seconds": "training/seconds",
    "epoch": "training/epoch",
    "entropy": "search/entropy",
    **{key: f"cost/{key}" for key in UNITS},
    **{f"expected_{key}": f"search/expected_{key}" for key in UNITS},
}


def logged(report: Report, folder: Path) -> Report:
    """``report``, and TensorBoard besides: every epoch's figures over the images seen.

    So trials are compared at equal images. A trial that continues adds to its logs.

    Raises:
        InputError: TensorBoard is not installed.
    """
    check_tensorboard("recipe")
    logs = folder / FOLDER
    logs.mkdir(parents=True, exist_ok=True)
    link_for_button(logs)

    def also(metrics: Figures, final: bool) -> None:
        if not final:
            write(logs, metrics)
        report(metrics, final)

    return also


def write(logs: Path, metrics: Figures) -> None:
    """One epoch's figures. The file is closed each time: a trial may be killed at any moment."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(logs)) as writer:
        chosen_by = metric_of(metrics).name
        tag = f"validation/{'one_minus_cer' if chosen_by == 'cer' else chosen_by}"  # the larger the better
        names = {**_NAMES, "default": tag}
        values = {names[key]: value for key, value in metrics.items() if key in names}
        for name, value in values.items():
            writer.add_scalar(name, value, metrics["images_seen"])


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
