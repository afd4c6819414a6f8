"""What reading costs, as describe and report show it: parts in milliseconds and shares, both translators."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.table import table
from autostr_nni.latency.settings import RUNTIMES, Settings, machine_text
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.latency.reading import Reading

_OPTIONS = ("runtime", "threads", "batch")


def add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--latency` and what goes with it."""
    parser.add_argument(
        "--latency",
        action="store_true",
        help=f"time reading {what} here, by rectifier, backbone, encoder and decoder, with attention and CTC",
    )
    parser.add_argument("--runtime", choices=RUNTIMES, help="with --latency: torch-cpu by default")
    parser.add_argument("--threads", type=int, metavar="N", help="with --latency: CPU threads (1)")
    parser.add_argument("--batch", type=int, metavar="N", help="with --latency: words at a time (1)")


def settings_of(args: argparse.Namespace) -> Settings | None:
    """What to time on; None where no time is asked for.

    Raises InputError for what cannot be timed on here, and for options without `--latency`.
    """
    given = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    if not args.latency:
        if given:
            raise InputError(f"--{next(iter(given))} goes with --latency")
        return None
    settings = Settings(**given)
    settings.check()
    return settings


def timed_how(timed: Mapping[str, Any]) -> str:
    """How the times of reading were taken, as the head of their tables."""
    settings = Settings(**timed["settings"])
    words = f"words of {timed['characters']} characters"
    if settings.runtime == "onnxruntime-cpu":
        words = "words, attention for as many characters as the longest has"
    return (
        f"Reading {words}, milliseconds ({settings.device}; median of {timed['rounds']} rounds)\n"
        f"{machine_text(timed['machine'])}"
    )


def side_by_side(times: Mapping[str, Reading]) -> str:
    """A table of one net: a row for each part, a pair of columns for each translator."""
    rows = [("part", *(text for kind in times for text in (kind, "share")))]
    for parts in zip(*(reading["parts"] for reading in times.values()), strict=True):
        shares = (text for p in parts for text in (milliseconds(p["ms"]), f"{100 * p['share']:.0f} %"))
        rows.append((parts[0]["name"], *shares))
    wholes = (text for reading in times.values() for text in (milliseconds(reading["ms"]), ""))
    return table([*rows, ("recognizer", *wholes)], "<" + ">>" * len(times))


def milliseconds(number: float) -> str:
    """Three significant digits: `12.9`, `0.0412`, `1230`."""
    text = f"{number:.3g}"
    return f"{number:.0f}" if "e+" in text else text
