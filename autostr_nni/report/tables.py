"""The report's data as CSV files, one table each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

Rows = list[dict[str, Any]]


def csv_files(report: Mapping[str, Any]) -> dict[str, str]:
    """Contents by file name; a table without rows has no file."""
    tables: dict[str, Rows] = {
        "searches.csv": list(_searches(report)),
        "nets.csv": list(_nets(report)),
        "tests.csv": list(_tests(report)),
        "paths.csv": [
            {"search": s["label"], "rank": rank, **_flat(path)}
            for s in report["searches"]
            for rank, path in enumerate(s["paths"], 1)
        ],
        "epochs.csv": list(_epochs(report)),
        "probabilities.csv": list(_probabilities(report)),
        "cost.csv": list(_cost(report)),
        "equal_cost.csv": [
            {"unit": unit, **row}
            for group in report["spaces"]
            for unit, cost in group["cost"].items()
            for row in cost["equal_cost"]
        ],
        "front.csv": [
            row for group in report["spaces"] if group["front"] for row in group["front"]["equal_cost"]
        ],
        "comparison.csv": list(_comparison(report)),
        "pairs.csv": list(_pairs(report)),
        "reading.csv": list(_reading(report)),
        "targets.csv": [_flat(row) for row in (report["targets"] or {"differences": []})["differences"]],
        "settings.csv": [
            {
                "key": row["key"],
                "weight": row["weight"],
                **{k: json.dumps(v) for k, v in row["values"].items()},
            }
            for row in report["settings"]["differences"]
        ],
    }
    return {name: as_csv(rows) for name, rows in tables.items() if rows}


def as_csv(rows: Rows) -> str:
    """Rows with a head of all their keys."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _reading(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """A row for each net and translator: milliseconds of the whole and of its parts."""
    timed = report["reading"] or {"searches": [], "nets": []}
    labels = {search["key"]: search["label"] for search in report["searches"]}
    for key, net in zip(timed["searches"], timed["nets"], strict=True):
        for kind, reading in net.items():
            parts = {f"{part['name']}_ms": part["ms"] for part in reading["parts"]}
            about = {"search": labels[key], "translator": kind, "own": kind == timed["own"][key]}
            yield {**about, "ms": reading["ms"], **parts}


def _comparison(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for about, pair in _compared(report):
        for found in pair["figures"]:
            yield {**about, **_flat(found)}


def _pairs(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for about, pair in _compared(report):
        for found in pair["figures"]:
            for row in found["rows"]:
                names = {"strategy": about["first"], "against": about["second"]}
                yield {**names, "unit": found["unit"], "set": found["set"], **row}


def _compared(report: Mapping[str, Any]) -> Iterable[tuple[dict[str, str], Mapping[str, Any]]]:
    """Each pair of strategies with their labels."""
    for group in report["spaces"]:
        labels = {item["key"]: item["label"] for item in group["comparison"]["groups"]}
        for pair in group["comparison"]["pairs"]:
            yield {"first": labels[pair["first"]], "second": labels[pair["second"]]}, pair


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, dict | list)}


def _searches(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for search in report["searches"]:
        best = search["best"] or {}
        yield {
            **_flat({key: value for key, value in search.items() if key not in ("name", "sentence")}),
            "failed": len(search["failed"]),
            "space": next(g["name"] for g in report["spaces"] if search["key"] in g["searches"]),
            **{f"best_{key}": value for key, value in _flat(best).items() if key != "folder"},
        }


def _nets(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    fronts = on_fronts(report)
    asked = any(search["front"] for search in report["searches"])
    for search in report["searches"]:
        for net in search["nets"]:
            place = (search["key"], net["trial"])
            on = {f"pareto_{cost}": place in places for cost, places in fronts.items()}
            if asked:
                on["front"] = net["trial"] in search["front"]
            yield {"search": search["label"], **_flat(net), **on}


def on_fronts(report: Mapping[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """By cost, search's key and trial of the nets that are on the front of their space."""
    found: dict[str, set[tuple[str, str]]] = {}
    for group in report["spaces"]:
        for cost, members in group["pareto"].items():
            found.setdefault(cost, set()).update((net["search"], net["trial"]) for net in members)
    return found


def _tests(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for search in report["searches"]:
        for net in search["nets"]:
            for name, values in net["tests"].items():
                yield {"search": search["label"], "trial": net["trial"], "set": name, **values}


def _epochs(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for search in report["searches"]:
        parts = (("path", search["paths"]), ("operators", search["operators"]), ("train", search["nets"]))
        for step, trials in parts:
            for trial in trials:
                about = {"search": search["label"], "step": step, "trial": trial["trial"]}
                for epoch, line in enumerate(trial["epochs"], 1):
                    yield {**about, "epoch": epoch, **line}


def _probabilities(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for search in report["searches"]:
        for operators in search["operators"]:
            for epoch in operators["probabilities"]:
                for layer, probabilities in enumerate(epoch["layers"], 1):
                    about = {"search": search["label"], "trial": operators["trial"], "epoch": epoch["epoch"]}
                    yield {**about, "layer": layer, **probabilities}


def _cost(report: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for group in report["spaces"]:
        for unit, cost in group["cost"].items():
            for key, curve in cost["observed"].items():
                for spent, best in zip(curve["cost"], curve["accuracy"], strict=True):
                    yield {"search": key, "unit": unit, "curve": "observed", "cost": spent, "accuracy": best}
            for key, band in cost["bands"].items():
                for point in range(len(band["cost"])):
                    about = {"search": key, "unit": unit, "curve": "bootstrap"}
                    names = ("median", "low", "high", "mean")
                    figures = {name: band[name][point] for name in names}
                    yield {**about, "cost": band["cost"][point], "accuracy": figures["median"], **figures}
