"""`autostr report`: any number of searches, from their files, as one page to decide from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.output import complain, say, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.cli.reading_cost import add_options, settings_of, side_by_side, timed_how
from autostr_nni.cli.table import table
from autostr_nni.cli.targets.text import targets_text
from autostr_nni.runs.told import cost_cell, cost_head
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.report.reading.history import SearchHistory


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "report",
        help="compare searches in one page",
        description="Compare searches in one page that opens offline, with its figures as PNG and SVG and "
        "its data as CSV and JSON. Searches may be running, stopped or finished; no server is needed. Exit "
        "status 1 if one of several searches could not be read.",
    )
    parser.add_argument(
        "searches",
        nargs="+",
        metavar="SEARCH",
        type=path_text,
        help="an NNI experiment's id or folder, that of a search --in-process or of `autostr train`; or a "
        "folder of searches, such as those for several targets",
    )
    parser.add_argument(
        "--out", required=True, type=path, metavar="DIR", help="folder of the report, a new one"
    )
    parser.add_argument("--force", action="store_true", help="replace the report that DIR holds")
    add_options(parser, "with the best net of each search")
    parser.add_argument("--json", action="store_true", help="print the report's data as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report and print what it says in short."""
    from autostr_nni.report.reading.locate import named, read
    from autostr_nni.report.write import check_free, write_report

    folder: Path = args.out
    settings = settings_of(args)
    check_free(folder, args.force)
    histories: list[SearchHistory] = []
    problems: list[str] = []
    for search in dict.fromkeys(name for given in args.searches for name in named(given)):
        try:
            history = read(search)
        except InputError as error:
            problems.append(str(error))
        else:
            if history.folder not in [known.folder for known in histories]:
                histories.append(history)
    if not histories:
        raise InputError("; ".join(problems))
    for problem in problems:
        complain(problem)
    report = write_report(histories, folder, args.force, settings)
    if args.json:
        say_json(report, indent=1)
    else:
        say(as_text(report))
        say(f"\n{folder / 'report.html'}")
    return 1 if problems else 0


def as_text(report: Mapping[str, Any]) -> str:
    """The summary for a terminal: a line per search, then what to know before comparing."""
    from autostr_nni.report.figures.captions import front_sentences

    head = cost_head([search["best"] or {} for search in report["searches"]])
    rows = [("search", "strategy", "accuracy", "95 %", head, "images", "seconds", "nets")]
    for search in report["searches"]:
        best = search["best"] or {}
        interval = "" if best.get("low") is None else f"{100 * best['low']:.1f} to {100 * best['high']:.1f}"
        rows.append(
            (
                search["label"],
                search["strategy"],
                "-" if best.get("accuracy") is None else f"{100 * best['accuracy']:.1f} %",
                interval,
                cost_cell(best, head),
                f"{search['images']:.0f}",
                f"{search['seconds']:.0f}",
                str(search["nets_trained"]),
            )
        )
    verdicts = [pair["sentence"] for space in report["spaces"] for pair in space["comparison"]["pairs"]]
    states = [f"{search['label']}: {search['sentence']}" for search in report["searches"]]
    labels = {search["key"]: search["label"] for search in report["searches"]}
    for space in report["spaces"]:
        verdicts += front_sentences(space["front"], labels) if space["front"] else []
    said = [*states, *report["notes"], *([""] if verdicts else []), *verdicts]
    parts = [table(rows, "<<>>>>>>"), "", *said, *reading_told(report)]
    return "\n".join([*parts, "", targets_text(report)] if report["targets"] else parts)


def reading_told(report: Mapping[str, Any]) -> list[str]:
    """What reading costs with each search's best net, where it was timed."""
    from autostr_nni.report.latency import UNTIMED

    timed = report["reading"]
    if timed is None:
        return []
    labels = {search["key"]: search["label"] for search in report["searches"]}
    lines = ["", timed_how(timed)]
    for key, times in zip(timed["searches"], timed["nets"], strict=True):
        lines += ["", f"{labels[key]}, with {timed['own'][key]}", side_by_side(times)]
    return [*lines, *(f"{labels[key]} is not timed: {UNTIMED}" for key in timed["missing"])]
