"""`autostr list`: the searches that are known here, what became of them, and the best net of each."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.output import complain, say, say_json
from autostr_nni.cli.parser import path
from autostr_nni.cli.table import table
from autostr_nni.runs.layout import changed, is_search
from autostr_nni.runs.told import chosen_by, cost_cell, cost_head
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.report.reading.history import SearchHistory


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "list",
        help="list searches: id, name, state, last result, best net",
        description="List the experiments of this machine and the searches without NNI in runs/, or those in "
        "the folders named; the one that changed last stands at the end. What stands under id is what the "
        "other commands take.",
    )
    parser.add_argument(
        "folders", metavar="DIR", nargs="*", type=path, help="folders that hold searches (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a line per search; 1 where one cannot be read."""
    from autostr_nni.report.reading.locate import known_searches, read_folder, searches

    for folder in args.folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder")
    inside = [p for folder in args.folders for p in ([folder] if is_search(folder) else searches(folder))]
    named = {str(folder): folder for folder in inside} if args.folders else known_searches()
    found, unread = [], 0
    for id, folder in named.items():
        try:
            found.append(describe(id, folder, read_folder(folder)))
        except InputError as error:
            unread += 1
            complain(str(error))
    if args.json:
        say_json({"searches": found}, indent=1)
    elif not found:
        say("There are no searches here yet; how to start one: autostr search --help")
    else:
        say(as_text(found))
    return 1 if unread else 0


def describe(id: str, folder: Path, history: SearchHistory) -> dict[str, Any]:
    """What is listed of a search."""
    from autostr_nni.runs.summary import summary_of

    found = summary_of(folder)
    best = found["best"] or {}
    return {
        "id": id,
        "name": history.name,
        "strategy": history.strategy,
        "state": history.state,
        "done": len(history.having("done")),
        "planned": history.planned,
        "last_result": changed(folder),
        "word_accuracy": best.get("word_accuracy"),
        **{key: best[key] for key in ("metric", "figure") if key in best},
        "macs_m": best.get("macs_m"),
        **({"front": found["front"]} if found["front"] else {}),
        **{key: value for key, value in best.items() if key in ("cost", best.get("cost"))},
        "folder": str(folder),
    }


def as_text(found: list[dict[str, Any]]) -> str:
    """The list as a table."""
    head = cost_head(found)
    rows = [("id", "name", "strategy", "state", "trials", "last result", "best", head)]
    for row in found:
        nets = [row, *reversed(row.get("front", [])[:-1])]  # the best, and the others of its front
        rows.append(
            (
                row["id"],
                row["name"],
                row["strategy"],
                row["state"],
                f"{row['done']} of {row['planned']}" if row["planned"] else str(row["done"]),
                time.strftime("%Y-%m-%d %H:%M", time.localtime(row["last_result"])),
                " / ".join(_percent(chosen_by(net)) for net in nets),
                " / ".join(cost_cell(net, head) for net in nets),
            )
        )
    return table(rows, "<<<<><>>")


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{100 * accuracy:.1f} %"
