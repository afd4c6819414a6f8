"""What a trial leaves on disk: metrics as JSON lines, its architecture, its result. Light: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from autostr_nni.runs.figures import Figures, TrialResult, figures
from autostr_nni.runs.layout import METRICS, RESULT, WORD_LOSSES
from autostr_nni.system.files import told_if_full, write_atomic
from autostr_nni.system.json_text import read_json, read_lines


def append_metrics(folder: Path, metrics: Figures) -> None:
    """Add one line to the trial's metrics."""
    with told_if_full(folder), open(folder / METRICS, "a", encoding="utf-8") as file:
        file.write(json.dumps(metrics) + "\n")
        file.flush()


def read_metrics(folder: Path) -> list[Figures]:
    """All complete lines of the trial's metrics; a torn last line is left out."""
    return [figures(line) for line in read_lines(folder / METRICS)]


def write_metrics(folder: Path, lines: Sequence[Figures]) -> None:
    """Replace the trial's metrics: a trial that continues starts from the lines of its checkpoint."""
    write_lines(folder / METRICS, lines)


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of JSON lines."""
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines))


def keep_word_losses(folder: Path, losses: Sequence[float], texts: Sequence[str]) -> None:
    """Keep every word's loss, rounded, and a hash of the words: where two have the same, they are paired."""
    words = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    write_atomic(
        folder / WORD_LOSSES, json.dumps({"words": words, "losses": [round(loss, 4) for loss in losses]})
    )


def read_result(folder: Path) -> TrialResult:
    """The result of a finished trial; empty where there is none, or a part is not what it should be."""
    content = read_json(folder / RESULT)
    if not all(isinstance(content.get(key) or {}, dict) for key in ("parameters", "metrics", "test")):
        return {}
    if not isinstance(content.get("architecture") or "", str):
        return {}
    if content.get("metrics"):
        content["metrics"] = figures(content["metrics"])
    return cast(TrialResult, content)


def write_result(folder: Path, result: TrialResult) -> None:
    """Keep the result: the trial has ended well."""
    write_atomic(folder / RESULT, json.dumps(result, indent=1))
