"""The summary of a search as text. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autostr_nni.recipe.words.metric import WORD_ACCURACY, Metric, metric_of
from autostr_nni.runs.figures import Row, Summary, number
from autostr_nni.search_spaces.counting import UNITS
from autostr_nni.strategies.steps import LARGEST, NET

# By the verdict's keys: what is said of the best architecture in the same breath.
_DOUBTS = {
    "best": "it has learnt nothing",
    "paths": "its path within noise",
    "rungs": "the first to go on were chosen before any could read",
    "operators": "its operations undecided",
    "ranking": "chosen by a supernet that could not read",
    "nets": "not told apart from others",
}


def summary_text(summary: Summary) -> str:
    """The summary for people, a few lines of plain text; `remarks` are told apart."""
    lines = []
    if summary["paths"]:
        lines.append("Stride paths by validation loss:")
        for rank, row in enumerate(summary["paths"], 1):
            accuracy = _percent(row["word_accuracy"])
            after = f"  after {row['epochs']} of the epochs" if "epochs" in row else ""
            loss = f"loss {_figure(row['loss'])}"
            lines.append(f"  {rank:2}. {row['stride_path']}  {loss}  word accuracy {accuracy}{after}")
    if summary["found"]:
        lines.append(f"Operator search found {summary['found']}")
    if len(summary["architectures"]) > 1:
        label = metric_of(summary["architectures"][0]).label
        lines.append(f"Architectures by validation {label}:")
        for rank, row in enumerate(summary["architectures"], 1):
            lines.append(f"  {rank:2}. {_percent(chosen_by(row))}  {cost_told(row)}  {_name(row)}")
    best = summary["best"]
    if best:
        doubts = ", ".join(weaknesses(summary["verdict"]))
        lines.append(f"Best architecture{f' ({doubts})' if doubts else ''}: {_name(best)}")
        lines.append(f"  {sizes_told(best)}")
        words = "" if best.get("words") is None else f" ({best['words']:.0f} words)"
        metric = metric_of(best)
        lines.append(f"  validation {metric.label} {_percent(chosen_by(best))}{words}")
        lines.extend(_test_lines(best.get("test"), metric))
    lines.extend(_front_lines(summary.get("front", [])))
    if summary["failed"]:
        lines.append(f"Failed trials: {', '.join(summary['failed'])}")
    return "\n".join(lines) if lines else "No trial has finished."


def remarks(summary: Mapping[str, Any]) -> list[str]:
    """What does not make a search fail, but what its result does not show: sentences for its very end."""
    verdict = summary.get("verdict") or {}
    return [str(told) for key, told in verdict.items() if told and key != "best"]


def weaknesses(verdict: Mapping[str, object]) -> list[str]:
    """The same in a few words, to stand beside the best architecture; that nothing was learnt says it all."""
    if verdict["best"]:
        return [_DOUBTS["best"]]
    return [words for key, words in _DOUBTS.items() if verdict.get(key)]


def chosen_by(row: Mapping[str, Any]) -> float | None:
    """The figure of a summary's row by which nets are chosen."""
    return number(row, "word_accuracy" if metric_of(row) is WORD_ACCURACY else "figure")


def _front_lines(front: Sequence[Row]) -> list[str]:
    """The nets along cost and accuracy, the cheapest first, with what they read of the test sets."""
    if not front:
        return []
    count = "1 net" if len(front) == 1 else f"{len(front)} nets, the last is the best"
    what = {"macs_m": "MACs", "params_m": "parameters"}.get(front[0].get("cost", "macs_m"), "latency")
    lines = [f"Front along {what} and validation {metric_of(front[0]).label} ({count}):"]
    for place, row in enumerate(front, 1):
        size = sizes_told(row)
        tests = [line.strip() for line in _test_lines(row.get("test"), metric_of(row))]
        lines.append(f"  {place:2}. {_percent(chosen_by(row))}  {size}  {'; '.join([_name(row), *tests])}")
    return lines


def sizes_told(row: Mapping[str, Any]) -> str:
    """MACs and parameters of the net of a summary's row, and its latency where that was counted."""
    return ", ".join(f"{_figure(number(row, key))} {unit}" for key, unit in UNITS.items() if key in row)


def cost_told(row: Mapping[str, Any]) -> str:
    """What the net of a summary's row costs, in what its search counted: ``13.2 M MACs``, ``3.9 ms``."""
    key = row.get("cost", "macs_m")
    return f"{_figure(number(row, key))} {UNITS[key]}"


def cost_head(rows: Sequence[Mapping[str, Any]]) -> str:
    """The head of a table's column of costs, whose cells have their units where not all are MACs."""
    return "cost" if any("cost" in row for row in rows) else "M MACs"


def cost_cell(row: Mapping[str, Any], head: str) -> str:
    """A cell of that column."""
    cell = cost_told(row).removesuffix(f" {head}")
    return "-" if cell.startswith("?") else cell


def _test_lines(test: Any, metric: Metric) -> list[str]:
    """One line for each test set: ``{name: {words, word_accuracy, …}}`` or a bare number per name."""
    lines = []
    for name, values in test.items() if isinstance(test, Mapping) else ():
        if isinstance(values, Mapping):
            words = f" ({values['words']} words)" if "words" in values else ""
            reached = number({"value": metric.of_set(values)}, "value")
            lines.append(f"  test {name}: {metric.label} {_percent(reached)}{words}")
        elif number(test, name) is not None:
            lines.append(f"  test {name}: word accuracy {_percent(number(test, name))}")
    return lines


def _name(row: Row) -> str:
    named = row.get("architecture") or row.get("stride_path")
    if row.get(NET) == LARGEST:
        return f"{named} (the largest net of the band)"
    return str(named or ", ".join(f"{key} {value}" for key, value in row.get("parameters", {}).items()))


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f} %"
