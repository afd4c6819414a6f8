"""What a trial leaves on disk: metrics as JSON lines, its architecture, its result. Light: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autostr_nni.system.files import told_if_full, write_atomic

METRICS = "metrics.jsonl"
RESULT = "result.json"
ARCHITECTURE = "architecture.json"
RECIPE = "recipe.json"  # the recipe as it was understood
PULSE = "pulse.json"  # images and seconds so far, told within an epoch too
WORD_LOSSES = "word_losses.json"  # of a path's trial: the loss of every validation word after the last epoch
CLIMBED = "climbed.json"  # of a promoted net: what it had cost on the rungs below
PROBABILITIES = "probabilities.jsonl"  # of the operator search: one line per epoch


def append_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Add one line to the trial's metrics."""
    with told_if_full(folder), open(folder / METRICS, "a", encoding="utf-8") as file:
        file.write(json.dumps(metrics) + "\n")
        file.flush()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """All complete lines of the trial's metrics; a torn last line is left out."""
    return read_lines(folder / METRICS)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All JSON objects of a file, one a line, up to the first line that is none; none where it is absent."""
    lines = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                content = json.loads(line)
                if not isinstance(content, dict):
                    break
                lines.append(content)
    except (OSError, ValueError, RecursionError):  # absent, torn or damaged
        pass
    return lines


def unread_lines(path: Path) -> int:
    """How many lines `read_lines` leaves out: the first damaged one and all after it, not a torn last one."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n") and line.strip()]
    return max(0, len(whole) - len(read_lines(path)))


def write_metrics(folder: Path, lines: list[dict[str, Any]]) -> None:
    """Replace the trial's metrics: a trial that continues starts from the lines of its checkpoint."""
    write_lines(folder / METRICS, lines)


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """Replace a file of JSON lines."""
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in lines))


def keep_word_losses(folder: Path, losses: Sequence[float], texts: Sequence[str]) -> None:
    """Keep every word's loss, rounded, and a hash of the words: where two have the same, they are paired."""
    words = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    write_atomic(
        folder / WORD_LOSSES, json.dumps({"words": words, "losses": [round(loss, 4) for loss in losses]})
    )


def read_result(folder: Path) -> dict[str, Any] | None:
    """The result of a finished trial, or None."""
    try:
        result: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return result if isinstance(result, dict) else None
