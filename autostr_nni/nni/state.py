"""What the tuner keeps in the experiment's folder, for a resumed search and for ``autostr search``."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from autostr_nni.files import write_atomic

logger = logging.getLogger("autostr_nni.tuner")

STATE_FILE = "autostr_state.json"
RECIPE_FILE = "recipe.json"  # the recipe as it was understood


def experiment_folder() -> Path | None:
    """The folder of the experiment whose tuner this process is; None outside NNI's dispatcher."""
    log = os.environ.get("NNI_LOG_DIRECTORY")
    return Path(log).parent if log and os.environ.get("SDK_PROCESS") == "dispatcher" else None


def write_state(folder: Path, state: dict[str, Any], name: str = STATE_FILE) -> None:
    """Replace the state, or the file `name`, in one step: no reader, and no restart, ever sees half of it."""
    write_atomic(folder / name, json.dumps(state, indent=1))


def read_state(folder: Path) -> dict[str, Any]:
    """The state that a tuner left in an experiment's folder; empty if it left none, or a damaged one.

    What is lost with it comes back from NNI's database: the results of trials are imported on resuming.
    """
    try:
        content = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        whole = isinstance(content, dict) and all("id" in trial for trial in content["state"]["trials"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        logger.warning("The state file %s is damaged and is not used.", folder / STATE_FILE)
    return content if whole else {}
