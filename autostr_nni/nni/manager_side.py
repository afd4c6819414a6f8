"""What a tuner asks of the process around it: the experiment's trials, its end, and where its files are."""

from __future__ import annotations

import base64
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import requests

from autostr_nni.nni.manager.rest import FINAL_STATUSES, Manager, record_in
from autostr_nni.recipe.words.targets import split
from autostr_nni.system.errors import InputError

logger = logging.getLogger("autostr_nni.tuner")


def unfinished_trials() -> dict[str, dict[str, Any]]:
    """Parameters of the experiment's trials that have not ended, by trial id."""
    found = {}
    for row in _rows():
        if row["status"] not in FINAL_STATUSES and (record := record_in(row)):
            found[row["trialJobId"]] = record["parameters"]
    return found


def ended_trials() -> set[str]:
    """Ids of the experiment's trials that have ended, well or not."""
    return {row["trialJobId"] for row in _rows() if row["status"] in FINAL_STATUSES}


def _rows() -> list[dict[str, Any]]:
    manager = Manager.of_tuner()
    rows = manager.get("trial-jobs") if manager is not None else []
    return list(rows or [])


def declare_done(tries: int = 30) -> None:
    """Set the experiment's ``maxTrialNumber`` to the trials it has, so that NNI ends it as DONE."""
    manager = Manager.of_tuner()
    if manager is None:
        return
    for _ in range(tries):
        try:
            profile = manager.get("experiment")
            trials = max(1, len(manager.get("trial-jobs")))
            # Also where the limit reads so: to the page the manager tells the plan where there is no limit.
            profile["params"]["maxTrialNumber"] = trials
            manager.put("experiment?update_type=MAX_TRIAL_NUM", profile)
            return
        except (requests.RequestException, KeyError, TypeError) as error:
            logger.warning("NNI's manager cannot be told that the search is finished: %s", error)
            time.sleep(1)


def find_recipe(recipe: str) -> Path:
    """The recipe's file. A dispatcher runs in its log folder: a relative path starts at ``codeDirectory``."""
    path = Path(recipe).expanduser()
    if path.is_absolute():
        return path
    folders = [Path(folder) for folder in code_directories()] or [Path.cwd()]
    for folder in folders:
        if split(folder / path)[0].is_file():
            return folder / path
    places = " or ".join(map(str, folders))
    raise InputError(
        f"the tuner's recipe {recipe} is not in {places}; set tuner.classArgs.recipe to its path"
    )


def code_directories() -> list[str]:
    """The experiment's code folders: NNI's manager starts the dispatcher with the whole configuration."""
    if "--exp_params" not in sys.argv[:-1]:
        return []
    config = json.loads(base64.b64decode(sys.argv[sys.argv.index("--exp_params") + 1]))
    folders = [(config.get("tuner") or {}).get("codeDirectory"), config.get("trialCodeDirectory")]
    return [folder for folder in folders if folder]
