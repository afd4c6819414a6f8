"""What a search in this process says of its trials, and keeps of one that broke."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autostr_nni.progress.display import Log
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.words.metric import metric_of
from autostr_nni.runs.figures import Figures, Report, counted
from autostr_nni.runs.layout import FAULT, TRIALS
from autostr_nni.search_spaces.counting import UNITS
from autostr_nni.system.files import write_atomic

Run = Callable[[dict[str, Any], Recipe, Path, Report], Figures | None]


def trial_folder(folder: Path, id: str) -> Path:
    """Where a trial of the search in ``folder`` keeps its files."""
    return folder / TRIALS / id


def broke(id: str, place: Path, error: Exception, trace: str, log: Log) -> None:
    """Keep and tell why a trial has failed."""
    write_atomic(place / FAULT, trace)
    message = (str(error).splitlines() or [""])[0]
    log(f"{id}: failed: {type(error).__name__}: {message} (see {place / FAULT})")


def progress(metrics: Mapping[str, Any]) -> str:
    """A report in a few words."""
    parts = []
    searching = bool(metrics.get("entropy"))  # a supernet, whose own accuracy means nothing
    if isinstance(metrics.get("default"), int | float) and not searching:
        label = metric_of(metrics).label.removeprefix("word ")
        parts.append(f"{label} {100 * metrics['default']:.1f} %")
    if isinstance(metrics.get("loss"), int | float):
        parts.append(f"loss {metrics['loss']:.3f}")
    if searching:  # only it has an expected cost
        key = counted(metrics)
        digits = ".1f" if key == "macs_m" else ".3g"
        parts.append(f"expected {metrics[f'expected_{key}']:{digits}} {UNITS[key]}")
    if isinstance(metrics.get("images_seen"), int | float):
        parts.append(f"{metrics['images_seen']:,.0f} images")
    if isinstance(metrics.get("architecture"), str):
        parts.append(metrics["architecture"])
    return ", ".join(parts) or "no metrics"
