"""What searches for several targets found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autostr_nni.cli.table import table
from autostr_nni.runs.told import cost_cell, cost_head


def targets_text(report: Mapping[str, Any]) -> str:
    """The nets of all targets on the test words of each, and how far they differ."""
    about = report["targets"]
    searches = {search["key"]: search for search in report["searches"]}
    head = cost_head([searches[row["search"]]["best"] or {} for row in about["rows"]])
    sets = [f"{item['set']} ({', '.join(item['targets'])})" for item in about["sets"]]
    rows = [("found for", *sets, head, "search")]
    for row in about["rows"]:
        search = searches[row["search"]]
        best = search["best"] or {"tests": {}}
        scores = [
            _score(best["tests"].get(item["set"]), row["target"] in item["targets"]) for item in about["sets"]
        ]
        rows.append((row["target"], *scores, cost_cell(best, head), search["label"]))
    told = table(rows, "<" + ">" * (len(about["sets"]) + 1) + "<")
    return "\n".join([told, "* at home: the words that it was searched for by", *about["sentences"]])


def _score(test: Mapping[str, Any] | None, home: bool) -> str:
    told = "-" if test is None or test["accuracy"] is None else f"{100 * test['accuracy']:.1f} %"
    return f"{told} {'*' if home else ' '}"
