"""What a search found, told from its finished trials: stride paths by loss, the architecture, its accuracy.

Light: reads JSON files only. The NNI launcher and the in-process runner end with the same summary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autostr_nni.recipe.training import LEARNT_ABOVE
from autostr_nni.runs.verdict import (
    WordLosses,
    judge_best,
    judge_operators,
    judge_paths,
    rank_paths,
    word_losses,
)
from autostr_nni.system.errors import InputError
from autostr_nni.system.text_files import read_text

MOST = 64 << 20  # bytes of a file of ours
RESULT = "result.json"
PARAMETERS = "parameters.json"
WORD_LOSSES = "word_losses.json"
REMARKS = ("paths", "operators")  # of a verdict: what does not make a search fail


@dataclass(frozen=True)
class TrialRecord:
    """One trial that has ended. ``metrics`` is its final report, or None if it failed."""

    id: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any] | None
    folder: Path | None = None
    result: Mapping[str, Any] = field(default_factory=dict)  # result.json: the metrics and the test sets

    @property
    def step(self) -> str:
        return str(self.parameters.get("step", "train"))

    @property
    def accuracy(self) -> float | None:
        return number(self.metrics, "default")


def number(metrics: Mapping[str, Any] | None, key: str) -> float | None:
    """A finite number out of a report, or None."""
    value = (metrics or {}).get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file; empty where the file is absent or half written."""
    try:
        content = json.loads(read_text(path, most=MOST))
    except (InputError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_trial(folder: Path, parameters: Mapping[str, Any] | None = None) -> TrialRecord:
    """The record of a trial from what it left in its folder."""
    result = read_json(folder / RESULT)
    if parameters is None:
        stored = read_json(folder / PARAMETERS) or result
        parameters = stored.get("parameters") or {
            key: value for key, value in stored.items() if key != "metrics"
        }
    metrics = result.get("metrics", result)
    return TrialRecord(folder.name, parameters, metrics or None, folder, result)


def trial_folders(folder: Path) -> list[Path]:
    """The trials' folders of an NNI experiment's folder or of an in-process run's."""
    found = [*folder.glob("trials/*/"), *folder.glob("environments/*/trials/*/")]
    return sorted(path for path in found if path.is_dir())


def read_search(folder: Path) -> list[TrialRecord]:
    """Every trial that a search left on disk."""
    return [read_trial(path) for path in trial_folders(folder)]


def architecture_text(parameters: Mapping[str, Any]) -> str | None:
    """``ABABB:k5e6,…`` from a trial's flat parameters; None where the operations are not given."""
    operations = [str(parameters[key]) for key in sorted(parameters) if key.startswith("op_")]
    if not operations or "stride_path" not in parameters:
        return None
    return f"{parameters['stride_path']}:{','.join(operations)}"


def summarize(trials: Iterable[TrialRecord], learnt_above: float = LEARNT_ABOVE) -> dict[str, Any]:
    """The findings as plain data: ``paths`` by loss, ``architectures`` by word accuracy, and ``best``.

    ``verdict`` says what they do not show (`judge`).
    """
    trials = list(trials)
    good = [trial for trial in trials if trial.metrics is not None]
    paths = sorted(
        (t for t in good if t.step == "path"), key=lambda t: _or(number(t.metrics, "loss"), math.inf)
    )
    trained = [trial for trial in good if trial.step == "train"]
    trained.sort(key=lambda t: (-_or(t.accuracy, -math.inf), _or(number(t.metrics, "loss"), math.inf)))
    found = next((t for t in reversed(good) if t.step == "operators"), None)
    summary: dict[str, Any] = {
        "trials": len(trials),
        "failed": [t.id for t in trials if t.metrics is None],
        "paths": [_row(t) for t in paths],
        "found": (found.metrics or {}).get("architecture") if found else None,
        "architectures": [_row(t) for t in trained],
        "best": None,
    }
    if trained:
        result = trained[0].result
        summary["best"] = {
            **_row(trained[0]),
            "test": result.get("test", (trained[0].metrics or {}).get("test")),
        }
    summary["verdict"] = judge(paths, found, trained, learnt_above)
    return summary


def best_of_all(
    trials: Iterable[TrialRecord], minimize: bool = False, learnt_above: float = LEARNT_ABOVE
) -> dict[str, Any]:
    """The same of a search by another's tuner, whose trials are ranked by their metric alone."""
    trials = list(trials)
    summary = {**summarize(trials, learnt_above), "best": None}
    scored = [trial for trial in trials if trial.metrics is not None and trial.accuracy is not None]
    trained = [trial for trial in scored if trial.step == "train"] or scored
    trained.sort(key=lambda trial: trial.accuracy or 0.0, reverse=not minimize)
    summary["architectures"] = [_row(trial) for trial in trained]
    if trained:
        summary["best"] = {**_row(trained[0]), "test": trained[0].result.get("test")}
    return summary


def judge(
    paths: Sequence[TrialRecord], found: TrialRecord | None, trained: Sequence[TrialRecord], above: float
) -> dict[str, str | None]:
    """What the findings do not show, in sentences; None for what there is nothing to say of.

    ``best``: the best net has learnt nothing, so there is no result. ``paths``: the ranking is within noise.
    ``operators``: the operations are not decided. Paths come by their loss, nets by their accuracy.
    """
    ranked = rank_paths([losses_of(trial.folder) for trial in paths])
    first = paths[0].metrics if paths else None
    words, accuracy = number(first, "words"), [t.accuracy for t in paths if t.accuracy is not None]
    ours = trained and architecture_text(trained[0].parameters) is not None
    best = trained[0] if ours else None
    return {
        "best": judge_best(best.accuracy, number(best.metrics, "blind"), above) if best else None,
        "paths": judge_paths(
            [str(trial.parameters.get("stride_path")) for trial in paths],
            ranked,
            None if words is None else int(words),
            max(accuracy, default=None),
            number(first, "blind"),
            above,
        ),
        "operators": judge_operators(_probabilities(found)),
    }


def losses_of(folder: Path | None) -> WordLosses | None:
    """The loss of every validation word of a path's trial, where it kept them."""
    return None if folder is None else word_losses(read_json(folder / WORD_LOSSES))


def _probabilities(found: TrialRecord | None) -> list[dict[str, float]]:
    """The last probabilities of an operator search; none where they are not known."""
    layers = found.result.get("probabilities") if found else None
    sound = isinstance(layers, list) and all(
        isinstance(layer, dict) and all(number(layer, name) is not None for name in layer) for layer in layers
    )
    return list(layers) if layers and sound else []


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _row(trial: TrialRecord) -> dict[str, Any]:
    metrics = trial.metrics or {}
    row: dict[str, Any] = {"trial": trial.id, "stride_path": trial.parameters.get("stride_path")}
    text = architecture_text(trial.parameters)
    if "net" in trial.parameters:
        row["net"] = str(trial.parameters["net"])
    if text is not None:
        row["architecture"] = text
    elif row["stride_path"] is None:  # of a user's own trials
        row["parameters"] = dict(trial.parameters)
    row["word_accuracy"] = trial.accuracy
    for key in ("words", "loss", "flops_m", "params_m", "images_seen", "seconds"):
        row[key] = number(metrics, key)
    row["folder"] = str(trial.folder) if trial.folder else None
    return row


def summary_text(summary: Mapping[str, Any]) -> str:
    """The summary for people, a few lines of plain text."""
    lines = []
    if summary["paths"]:
        lines.append("Stride paths by validation loss:")
        for rank, row in enumerate(summary["paths"], 1):
            accuracy = _percent(row["word_accuracy"])
            lines.append(
                f"  {rank:2}. {row['stride_path']}  loss {_figure(row['loss'])}  word accuracy {accuracy}"
            )
    if summary["found"]:
        lines.append(f"Operator search found {summary['found']}")
    if len(summary["architectures"]) > 1:
        lines.append("Architectures by validation word accuracy:")
        for rank, row in enumerate(summary["architectures"], 1):
            size = f"{_figure(row['flops_m'])} M MACs"
            lines.append(f"  {rank:2}. {_percent(row['word_accuracy'])}  {size}  {_name(row)}")
    best = summary["best"]
    if best:
        nothing = " (it has learnt nothing)" if summary["verdict"]["best"] else ""
        lines.append(f"Best architecture{nothing}: {_name(best)}")
        lines.append(f"  {_figure(best['flops_m'])} M MACs, {_figure(best['params_m'])} M parameters")
        words = "" if best.get("words") is None else f" ({best['words']:.0f} words)"
        lines.append(f"  validation word accuracy {_percent(best['word_accuracy'])}{words}")
        lines.extend(_test_lines(best.get("test")))
    if summary["failed"]:
        lines.append(f"Failed trials: {', '.join(summary['failed'])}")
    lines.extend(f"Note: {note}." for note in (summary["verdict"][key] for key in REMARKS) if note)
    return "\n".join(lines) if lines else "No trial has finished."


def _test_lines(test: Any) -> list[str]:
    """One line for each test set: ``{name: {words, word_accuracy, …}}`` or a bare number per name."""
    lines = []
    for name, values in test.items() if isinstance(test, Mapping) else ():
        if isinstance(values, Mapping):
            words = f" ({values['words']} words)" if "words" in values else ""
            lines.append(f"  test {name}: word accuracy {_percent(number(values, 'word_accuracy'))}{words}")
        elif number(test, name) is not None:
            lines.append(f"  test {name}: word accuracy {_percent(number(test, name))}")
    return lines


def _name(row: Mapping[str, Any]) -> str:
    named = row.get("architecture") or row.get("stride_path")
    if row.get("net") == "largest":
        return f"{named} (the largest net of the band)"
    return str(named or ", ".join(f"{key} {value}" for key, value in row.get("parameters", {}).items()))


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f} %"
