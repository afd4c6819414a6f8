"""What a trial tells NNI, and back: the figure by which the search decides, and few others beside it.

The page makes an axis and a column of every figure of a final report, and calls the trial with the largest
``default`` the best. So ``default`` is what the search decides by: of a trained net the word accuracy (0 to
1), of a stride path the negative validation loss, which never stands above a net. An operator search is
compared with nothing and has none, nor have a supernet and a ranking on its weights. All figures of every
epoch are in the trial's ``metrics.jsonl``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autostr_nni.runs.figures import OTHER_NAMES, Figures, figures
from autostr_nni.strategies.steps import PATH, SEARCHING

NAMES = {today: other for other, today in OTHER_NAMES.items()}  # the page's, of figures
FINAL = ("default", "accuracy", "loss", "flops_m", "params_m", "latency_ms", "architecture", "finalists")
#: What tells beside those whether a net has learnt anything: halving asks that of each net of a front.
LEARNT = ("word_accuracy", "blind")


def for_nni(metrics: Figures, step: str, final: bool, front: bool = False) -> dict[str, Any]:
    """The report of a trial's own ``metrics``: flat, without NaN or infinity (no JSON); short if final, less
    so where several nets are wanted."""
    told = {"default": metrics.get("default"), "accuracy": metrics.get("default"), **metrics}
    if step == PATH and isinstance(metrics.get("loss"), int | float):
        told["default"] = -metrics["loss"]
    plain: dict[str, Any] = {}
    for key, value in told.items():
        key = NAMES.get(key, key)
        if key == "default" and (step in SEARCHING or not _is_finite(value)):
            continue
        if isinstance(value, float) and not math.isfinite(value):
            plain[key] = str(value)
        elif isinstance(value, bool | int | float | str):
            plain[key] = value
    names = (*FINAL, *LEARNT) if front else FINAL
    return {key: plain[key] for key in names if key in plain} if final else plain


def from_nni(report: Any) -> Figures:
    """A report as the trial's own metrics, whose ``default`` is the word accuracy; NNI lets trials report a
    bare number."""
    if not isinstance(report, Mapping):
        return {"default": report}
    own = {key: value for key, value in report.items() if key != "accuracy"}
    default, loss = own.get("default"), own.get("loss")
    if "accuracy" in report and default is not None and default not in (report["accuracy"], _negative(loss)):
        return figures(dict(report))  # of another's trial, whose accuracy is a figure of its own
    return figures({**own, "default": report["accuracy"]} if "accuracy" in report else own)


def _negative(loss: Any) -> Any:
    """What `for_nni` tells of a path."""
    return -loss if isinstance(loss, int | float) else None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
