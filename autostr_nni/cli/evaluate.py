"""`autostr evaluate`: word accuracy and 1-NED of a trained recognizer on word image sets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.search_spaces.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a trained recognizer on word image sets",
        description="Read every word of the sets and compare: case-insensitive alphanumeric word accuracy, "
        "exact (case-sensitive) accuracy, and 1-NED.",
    )
    parser.add_argument("checkpoint", metavar="CKPT", help="best.ckpt of a trained net")
    parser.add_argument("sets", metavar="LMDB", nargs="+", help="folders of word image sets")
    parser.add_argument("--beam", type=int, metavar="WIDTH", help="beam search instead of greedy decoding")
    parser.add_argument("--batch-size", type=int, default=256, metavar="N", help="images per batch (256)")
    parser.add_argument("--device", default=None, help="cpu or cuda; a GPU where there is one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print the table."""
    for name in ("batch_size", "beam"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')}: {value} is too few, give at least 1")
    from autostr_nni.training.checkpoint import load_trained, pick_device
    from autostr_nni.training.evaluation import evaluate_sets

    trained = load_trained(args.checkpoint, pick_device(args.device))
    evaluation = trained.recipe.evaluation.model_copy(
        update={
            "batch_size": args.batch_size,
            "decoding": "beam" if args.beam else "greedy",
            "beam": args.beam or 1,
        }
    )
    recipe = trained.recipe.model_copy(update={"evaluation": evaluation})
    rows = evaluate_sets(trained.recognizer, recipe, named_sets(args.sets))
    if args.json:
        print(json.dumps({"checkpoint": args.checkpoint, "sets": rows}, indent=2))
    else:
        print(scores_table(rows))
    return 0


def named_sets(folders: list[str]) -> dict[str, Path]:
    """A short distinct name for every folder. Raises InputError where one is given twice."""
    paths = [Path(folder).resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("a set is given twice: name every folder once")
    names = [path.name for path in paths]
    return {
        (path.name if names.count(path.name) == 1 else str(folder)): path
        for path, folder in zip(paths, folders, strict=True)
    }


def scores_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Scores of sets as an aligned table; what was not used is listed below it, by cause."""
    from autostr_nni.cli.table import table

    lines = [("set", "words", "word accuracy", "case-sensitive", "1-NED", "loss")]
    for name, row in rows.items():
        lines.append(
            (
                name,
                f"{row['words']:,}",
                f"{100 * row['word_accuracy']:.2f} %",
                f"{100 * row['case_sensitive_accuracy']:.2f} %",
                f"{row['one_minus_ned']:.4f}",
                f"{row['loss']:.3f}",
            )
        )
    text = table(lines, "<>>>>>")
    for name, row in rows.items():
        causes = {
            **row["skipped"],
            **({"without alphanumeric characters": row["empty"]} if row["empty"] else {}),
        }
        if causes and name != "all":
            text += f"\n{name}: not counted: " + ", ".join(f"{n} {cause}" for cause, n in causes.items())
    return text
