"""What the tuner keeps in the experiment's folder, for a resumed search and for ``autostr search``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

STATE_FILE = "autostr_state.json"
RECIPE_FILE = "recipe.json"  # the recipe as it was understood


def experiment_folder() -> Path | None:
    """The folder of the experiment whose tuner this process is; None outside NNI's dispatcher."""
    log = os.environ.get("NNI_LOG_DIRECTORY")
    return Path(log).parent if log and os.environ.get("SDK_PROCESS") == "dispatcher" else None


def write_state(folder: Path, state: dict[str, Any], name: str = STATE_FILE) -> None:
    """Replace the state, or the file `name`, in one step: no reader, and no restart, ever sees half of it."""
    target = folder / name
    draft = target.with_suffix(f".{os.getpid()}.tmp")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(state, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, target)


def read_state(folder: Path) -> dict[str, Any]:
    """The state that a tuner left in an experiment's folder; empty if it left none."""
    try:
        content = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content if isinstance(content, dict) else {}
