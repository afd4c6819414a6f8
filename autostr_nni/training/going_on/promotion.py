"""A net or path that is promoted goes on from the checkpoint of its own trial on the rung below."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autostr_nni.runs.layout import ARCHITECTURE, BEST, CLIMBED, LAST
from autostr_nni.runs.records import read_result
from autostr_nni.strategies.steps import PATH, RUNG
from autostr_nni.system.files import write_atomic
from autostr_nni.training.going_on.continuing import readable


def climb(folder: Path, parameters: Mapping[str, Any]) -> Path | None:
    """Let a promoted net's trial go on from the trial of the same net that was trained longest before.

    It is looked for among the folders beside ``folder``. What it had cost is noted in ``climbed.json``, so
    that no image counts twice. Without such a trial (on another machine, say, or where its checkpoint is
    damaged) the net is trained from its beginning: with the same result, since the shorter training is the
    beginning of the longer one.

    Returns:
        The folder gone on from; None where there is none, or ``folder`` has a checkpoint of its own.
    """
    if (folder / LAST).exists():
        return None
    found = sorted(_below(folder, parameters), reverse=True)
    below = next((one for one in found if readable(one[1] / LAST)), None)
    if below is None:
        return None
    epochs, place, metrics = below[0], below[1], read_result(below[1])["metrics"]
    spent = {key: metrics.get(key, 0) for key in ("images_seen", "seconds")}
    write_atomic(folder / CLIMBED, json.dumps({"from": place.name, "epochs": epochs, **spent}))
    for name in (BEST, ARCHITECTURE, LAST):
        if (place / name).exists():
            shutil.copy2(place / name, folder / f".{name}")
            os.replace(folder / f".{name}", folder / name)
    print(f"going on after epoch {epochs} from {place}", flush=True)
    return place


def _below(folder: Path, parameters: Mapping[str, Any]) -> Iterator[tuple[int, Path]]:
    """(epochs, folder) of the finished trials of the same net, or the same path, on lower rungs."""
    limit = parameters.get("epochs", float("inf"))
    step = PATH if parameters.get("step") == PATH else RUNG
    for other in folder.parent.iterdir():
        if other == folder or not (other / LAST).exists():
            continue
        theirs = read_result(other).get("parameters") or {}
        if theirs.get("step") != step or "epochs" not in theirs:
            continue
        if _net(theirs) == _net(parameters) and theirs["epochs"] < limit:
            yield theirs["epochs"], other


def _net(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key not in ("step", "epochs")}
