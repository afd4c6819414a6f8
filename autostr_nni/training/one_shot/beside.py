"""What trials of a one-shot search take from one another: the supernet, and the weights of finalists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.runs.layout import FINALIST
from autostr_nni.runs.records import read_result
from autostr_nni.strategies.steps import RANKING, WEIGHTS
from autostr_nni.system.errors import InputError


def trial_of(step: str, folder: Path) -> Path:
    """The folder of the trial of a step that ended well, beside the one of this trial.

    Raises:
        InputError: there is none: it ran on another machine, or was removed.
    """
    for other in sorted(folder.parent.iterdir()):
        result = read_result(other)
        if result.get("metrics") and result.get("parameters", {}).get("step") == step:
            return other
    raise InputError(
        f"{folder.parent}: holds no finished trial of the step {step}, on whose weights this one stands; a "
        "one-shot search needs all its trials on one machine, and their folders kept until it has ended"
    )


def inherited(folder: Path, parameters: Mapping[str, Any]) -> Path | None:
    """The checkpoint with whose weights a finalist begins; None for a net that begins from scratch."""
    if WEIGHTS not in parameters:
        return None
    path = trial_of(RANKING, folder) / FINALIST.format(Path(str(parameters[WEIGHTS])).name)
    if not path.is_file():
        raise InputError(f"{path}: is gone, with whose weights this trial begins; start in a new folder")
    return path
