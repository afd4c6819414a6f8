"""`autostr evaluate`: word accuracy and 1-NED of a trained recognizer on word image sets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.nets import NET_HELP, checkpoint
from autostr_nni.cli.output import say, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.reading.mistakes import Mistake
    from autostr_nni.recipe import Recipe
    from autostr_nni.recipe.words.sources import WordSource

POOLED = "all"  # the row of all sets together, as `recipe.data.POOLED`, which is not imported for --help
Row = Mapping[str, Any]


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a trained recognizer on word image sets",
        description="Read every word of the sets and compare: word accuracy without regard to case, of "
        "0-9a-z or, where the net's charset goes beyond ASCII or is a list with signs, of its own "
        "characters; exact (case-sensitive) accuracy; 1-NED; and CER. Intervals are Wilson's, of the word "
        "accuracy.",
    )
    parser.add_argument("checkpoint", metavar="NET", type=path_text, help=NET_HELP)
    parser.add_argument(
        "sets",
        metavar="LMDB",
        nargs="*",
        type=path_text,
        help="folders of word image sets (default: the test sets of the net's recipe, else its validation)",
    )
    parser.add_argument("--by-length", action="store_true", help="also the scores by length of word")
    parser.add_argument(
        "--errors",
        metavar="FILE",
        type=path,
        help="draw the 40 wrong words it was surest of (.png, .jpg, .webp)",
    )
    parser.add_argument(
        "--beam",
        type=int,
        metavar="WIDTH",
        help="beam search so wide; 1: greedy decoding (as the net's recipe says)",
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="images per batch (as the net's recipe says)"
    )
    parser.add_argument("--device", default=None, help="cpu or cuda; a GPU where there is one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print the table."""
    for name in ("batch_size", "beam"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')}: {value} is too few, give at least 1")
    from autostr_nni.data.charset import Charset
    from autostr_nni.data.dataset import WordDataset
    from autostr_nni.reading.checkpoint import load_trained, pick_device
    from autostr_nni.reading.evaluation import Reader, evaluate_sets
    from autostr_nni.reading.mistakes import by_length, worst
    from autostr_nni.reading.pictures.canvas import check_picture
    from autostr_nni.reading.pictures.mistakes_sheet import MOST, draw_mistakes
    from autostr_nni.reading.read_files import check_beam, use_threads
    from autostr_nni.system.freed_memory import keep_freed_memory

    sheet: Path | None = args.errors
    if sheet is not None:
        check_picture(sheet)
    keep_freed_memory()
    file = str(checkpoint(args.checkpoint))
    trained = load_trained(file, pick_device(args.device))
    use_threads(trained.recipe)
    trained.recipe = recipe = reading_as(trained.recipe, args.batch_size, args.beam)
    check_beam(trained, recipe.evaluation.width)
    sets: Mapping[str, Path | WordSource] = named_sets(args.sets) if args.sets else own_sets(recipe)
    pairs: dict[str, list[tuple[str, str]]] = {}
    mistakes: list[Mistake] = []

    def look(name: str, dataset: WordDataset, reader: Reader) -> None:
        pairs[name] = reader.pairs
        if sheet is not None:
            mistakes.extend(worst(name, dataset, reader, MOST))

    rows = evaluate_sets(trained, sets, look, "--batch-size")
    if POOLED in rows:
        pairs[POOLED] = [pair for found in pairs.values() for pair in found]
    lengths: dict[str, dict[int, Row]] = {}
    if args.by_length:
        charset = Charset.named(recipe.data.charset)
        lengths = {
            name: {n: s.to_dict() for n, s in by_length(p, charset).items()} for name, p in pairs.items()
        }
    if args.json:
        say_json(as_json(file, rows, lengths, sheet), indent=2)
    else:
        say(scores_table(rows))
        for name in [POOLED] if POOLED in lengths else lengths:
            title = f"{name}:\n" if name != POOLED and len(lengths) > 1 else ""
            say(f"\n{title}{lengths_table(lengths[name])}")
        if sheet is not None:
            say(f"errors: {sheet}")
    if sheet is not None:  # after the figures, which took longer
        draw_mistakes(mistakes, rows, file, sheet)
    return 0


def reading_as(recipe: Recipe, batch_size: int | None, beam: int | None) -> Recipe:
    """The recipe, with what is given in place of its own: images at a time, and how wide the beam is."""
    how: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    if beam is not None:
        how |= {"decoding": "beam" if beam > 1 else "greedy", "beam": beam}
    return recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update=how)})


def interval(row: Row) -> tuple[float, float]:
    """95 % interval of a row's word accuracy."""
    from autostr_nni.report.statistics import wilson

    return wilson(row["correct"], row["words"])


def as_json(
    checkpoint: str, rows: Mapping[str, Row], lengths: Mapping[str, Mapping[int, Row]], sheet: Path | None
) -> dict[str, Any]:
    """All that was found, with intervals [low, high] of word accuracy."""
    found: dict[str, Any] = {
        "checkpoint": checkpoint,
        "sets": rows,
        "intervals_95": {name: interval(row) for name, row in rows.items()},
    }
    if lengths:
        found["by_length"] = {
            name: {str(n): {**row, "interval_95": interval(row)} for n, row in part.items()}
            for name, part in lengths.items()
        }
    if sheet is not None:
        found["errors"] = str(sheet)
    return found


def own_sets(recipe: Recipe) -> dict[str, Path | WordSource]:
    """The sets that a net's recipe reports: its test sets; where it has none, those that chose the net."""
    if recipe.data.test:
        return dict(recipe.data.test)
    from autostr_nni.recipe.words.sources import sources_of

    chosen_by = {Path(s.set).resolve(): s for s in sources_of(recipe.data.validation_for("epochs"))}
    return {
        # All words of each are read: shares are of what is drawn.
        name: chosen_by[folder].model_copy(update={"weight": None})
        for name, folder in named_sets([str(folder) for folder in chosen_by]).items()
    }


def named_sets(folders: list[str]) -> dict[str, Path]:
    """A distinct name for every folder: the end of its path, as short as it can be.

    Raises InputError where one is given twice.
    """
    paths = [Path(folder).resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("a set is given twice: name every folder once")
    names: dict[str, Path] = {}
    for folder in paths:
        ends = [str(Path(*folder.parts[-length:])) for length in range(1, len(folder.parts) + 1)]
        others = [other for other in paths if other != folder]
        name = next((end for end in ends if end != POOLED and _alone(end, others)), str(folder))
        names[name] = folder
    return names


def _alone(end: str, others: list[Path]) -> bool:
    """Whether no other path ends so."""
    return not any(f"/{other}".endswith(f"/{end}") for other in others)


def scores_table(rows: Mapping[str, Row]) -> str:
    """Scores of sets as an aligned table; what was not used is listed below it, by cause."""
    from autostr_nni.cli.table import table

    lines: list[tuple[str, ...]] = [
        ("set", "words", "word accuracy", "95 % interval", "case-sensitive", "1-NED", "CER", "loss")
    ]
    for name, row in rows.items():
        lines.append((name, *_scores(row), f"{row['loss']:.3f}"))
    text = table(lines, "<>>>>>>>")
    for name, row in rows.items():
        causes = {
            **row["skipped"],
            **({"without alphanumeric characters": row["empty"]} if row["empty"] else {}),
        }
        if causes and name != POOLED:
            text += f"\n{name}: not counted: " + ", ".join(f"{n} {cause}" for cause, n in causes.items())
    return text


def lengths_table(rows: Mapping[int, Row]) -> str:
    """Scores of words by their length."""
    from autostr_nni.cli.table import table

    head = ("length", "words", "word accuracy", "95 % interval", "case-sensitive", "1-NED", "CER")
    return table([head, *((str(length), *_scores(row)) for length, row in rows.items())], ">>>>>>>")


def _scores(row: Row) -> tuple[str, ...]:
    """The columns that all tables share."""
    low, high = interval(row)
    return (
        f"{row['words']:,}",
        f"{100 * row['word_accuracy']:.2f} %",
        f"{100 * low:.2f}-{100 * high:.2f} %",
        f"{100 * row['case_sensitive_accuracy']:.2f} %",
        f"{row['one_minus_ned']:.4f}",
        "-" if row.get("cer") is None else f"{100 * row['cer']:.2f} %",
    )
