"""The strategies that are killed, each with a tiny recipe that has all of its steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.conftest import EXPERIMENT


class Kind(NamedTuple):
    """A strategy's tuner, its recipe, and the first words of its trials' names in-process."""

    tuner: str
    search: dict[str, Any]
    trials: frozenset[str]
    salt: str  # chooses which of its trials die


STRATEGIES: dict[str, Kind] = {
    "halving": Kind(
        "HalvingTuner",
        {"halving": {"nets": 4, "reduction": 2, "rungs": [1, 2, 4], "lookback": 4}},
        frozenset({"halving"}),
        "c",
    ),
    "one-shot": Kind(
        "OneShotTuner",
        {
            "one_shot": {
                "epochs": 4,
                "nets": 9,
                "population": 3,
                "recalibration": 12,
                "words": 10,
                "finalists": 3,
            },
            "operators": {"budget_m": 1.0},
        },
        frozenset({"supernet", "ranking", "finalist"}),
        "i",  # supernet and ranking, with a result that was not reported
    ),
    "two-step with rungs": Kind(
        "TwoStepTuner",
        {
            "path": {"epochs": 2, "rungs": [1, 2], "paths": ["AABBB", "ABABB", "BABAB"]},
            "operators": {"finalists": 3},
            "halving": {"rungs": [1, 4]},
        },
        frozenset({"path", "operators", "finalist", "train"}),
        "m",  # nearly all
    ),
    "random with a band": Kind(
        "RandomTuner",
        {"random": {"count": 3, "min_m": 0.25, "largest": True}, "operators": {"budget_m": 1.0}},
        frozenset({"random", "largest"}),
        "x",
    ),
}


def experiment_of(kind: Kind, folder: Path, tiny_search: Callable[..., Path], trials: int = 2) -> Path:
    """The experiment file of a search by a strategy, so many trials at a time."""
    file = tiny_search(folder, training={"epochs": 4}, search=kind.search)
    tuner = {"className": f"autostr_nni.nni.tuner.{kind.tuner}", "classArgs": {"recipe": "recipe.yml"}}
    file.write_text(yaml.safe_dump({**EXPERIMENT, "trialConcurrency": trials, "tuner": tuner}))
    return file
