"""Trials that take no time, for processes of a search; they import them by this name."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from autostr_nni.system.errors import InputError

LOSSES = {"AABBB": 3.0, "ABABB": 1.0, "ABBAB": 2.0}


def trial(parameters: dict[str, Any], recipe: Any, folder: Path, report: Any) -> dict[str, Any]:
    """Notes when and where it ran, and what it could see; files in `trials` say what else it does."""
    begun = time.time()
    path = parameters["stride_path"]
    (folder / "begun").touch()
    if (folder.parent / "hangs").exists() and parameters["step"] == "operators":
        time.sleep(300)
    if (folder.parent / "wrong").exists() and path == "ABABB":
        raise InputError("/a: no such set")
    if (folder.parent / "breaks").exists() and path == "ABABB":
        raise RuntimeError("out of\nluck")
    while (folder.parent / "together").exists() and path == "AABBB":  # it ends after the second
        if (folder.parent / "path-ABABB" / "noted.json").exists():
            break
        time.sleep(0.05)
    print(f"{path} prints", flush=True)
    metrics = {"default": 1 / (1 + LOSSES[path]), "loss": LOSSES[path], "macs_m": 1.0, "params_m": 0.1}
    report(metrics, False)
    if parameters["step"] == "operators":
        metrics["architecture"] = f"{path}:{','.join(['k3e1'] * 15)}"
    result = {"parameters": parameters, "metrics": metrics}
    (folder / "result.json").write_text(json.dumps(result))
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    noted = {"pid": os.getpid(), "gpus": seen, "threads": os.environ.get("OMP_NUM_THREADS")}
    noted["own module"] = getattr(sys.modules.get("my_mark"), "MARK", None)
    (folder / "noted.json").write_text(json.dumps({**noted, "begun": begun, "ended": time.time()}))
    report(metrics, True)
    return metrics


def reports_alone(parameters: dict[str, Any], recipe: Any, folder: Path, report: Any) -> None:
    """Tells its result by a final report, and returns nothing."""
    report({"default": 0.5, "loss": 1.0}, True)
