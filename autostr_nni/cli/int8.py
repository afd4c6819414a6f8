"""`autostr export --int8`: its options, and what is printed of a file in 8-bit integers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from autostr_nni.cli.parser import path
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.export.int8 import Int8
    from autostr_nni.reading.checkpoint import Trained

MAX_DROP = 1.0  # percentage points


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--int8` and what goes with it."""
    parser.add_argument(
        "--int8", action="store_true", help="the backbone in 8-bit integers (.onnx): smaller, often faster"
    )
    parser.add_argument(
        "--calibrate",
        metavar="LMDB",
        type=path,
        help="with --int8: words like those that it will read, such as the training set; 256 are drawn",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help=f"with --int8: percentage points of word accuracy that may be lost ({MAX_DROP:g})",
    )


def check_options(args: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    for name in ("calibrate", "max_drop"):
        if getattr(args, name) is not None and not args.int8:
            raise InputError(f"--{name.replace('_', '-')} goes with --int8")
    if not args.int8:
        return
    from autostr_nni.export.int8 import check_place_and_drop

    check_place_and_drop(args.file, MAX_DROP if args.max_drop is None else args.max_drop)
    if args.calibrate is None:
        raise InputError(
            "--int8 needs --calibrate LMDB: words like those that it will read, such as the training set"
        )
    if args.front:
        raise InputError("--int8 writes one net: name it in place of the search, and leave --front out")
    if args.part != "recognizer":
        raise InputError("--int8 is checked by the words that are read: leave --part out")


def run(trained: Trained, args: argparse.Namespace) -> Int8:
    """Write and check the file."""
    from autostr_nni.export.int8 import export_int8

    max_drop = MAX_DROP if args.max_drop is None else args.max_drop
    return export_int8(trained, args.file, args.calibrate, args.check, max_drop, args.words)


def as_text(made: Int8) -> str:
    """Lines about the file and how it was made, and a table of both precisions."""
    from autostr_nni.cli.reading_cost import milliseconds
    from autostr_nni.cli.table import table

    facts, calibration = made.about, made.calibration
    size = f"{facts['image_height']}x{facts['image_width']}"
    rows: list[tuple[str, ...]] = [("", "float32", "int8")]
    for name, key in (("word accuracy", "word_accuracy"), ("case-sensitive", "case_sensitive_accuracy")):
        rates = [100 * getattr(scores, key) for scores in (made.float32, made.int8)]
        rows.append((name, *(f"{rate:.2f} %" for rate in rates)))
    rows.append(("words read right", *(f"{scores.correct:,}" for scores in (made.float32, made.int8))))
    for row in made.latency:
        words = f"ms, {row.batch} word{'s' * (row.batch > 1)}"
        rows.append((words, milliseconds(row.float32_ms), milliseconds(row.int8_ms)))
    rows.append(("MB", f"{made.float32_bytes / 1e6:.2f}", f"{made.bytes / 1e6:.2f}"))
    lost = f", {calibration['undecodable']} could not be decoded" if calibration["undecodable"] else ""
    return (
        f"{made.file}: recognizer as ONNX in int8, {made.bytes / 1e6:.2f} MB, "
        f"images {size}, {len(facts['charset'])} characters\n"
        f"{made.convolutions.quantized} of its {made.convolutions.all} convolutions are in int8, "
        f"calibrated on {calibration['words']} words of {calibration['set']}{lost}\n"
        f"compared on {made.check['words']}\n"
        f"timed with onnxruntime on {made.threads} CPU thread{'s' * (made.threads > 1)}:\n\n"
        + table(rows, "<>>")
    )
