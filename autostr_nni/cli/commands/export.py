"""`autostr export`: a trained recognizer as a file that other programs run."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli import int8
from autostr_nni.cli.nets import NET_HELP, checkpoint
from autostr_nni.cli.output import complain, say, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from autostr_nni.export.write import Exported
    from autostr_nni.recipe import Recipe


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained recognizer as ONNX, torch.export or TorchScript",
        description="Write a trained recognizer for other programs, and check it: the file is run on words "
        "at batches of 1, 7 and 64 and must give PyTorch's text, and its logits within 1e-4, or it does not "
        "appear. It takes uint8 RGB images of any batch; charset and image size are in its metadata. With "
        "--int8 it appears only if it reads nearly as many words as in float32.",
    )
    parser.add_argument("checkpoint", metavar="NET", type=path_text, help=NET_HELP)
    parser.add_argument(
        "file",
        metavar="FILE",
        type=path,
        help="the suffix tells the format: .onnx, .pt2 (torch.export), .pt (TorchScript)",
    )
    parser.add_argument(
        "--part",
        choices=("recognizer", "encoder"),
        default="recognizer",
        help="the whole, greedy decoding inside (default), or the encoder's features alone",
    )
    parser.add_argument(
        "--check",
        metavar="LMDB",
        type=path,
        help="check on the words of this set, not on rendered ones; with --int8 on all of them, not on those "
        "that chose the net",
    )
    parser.add_argument("--words", type=int, default=128, metavar="N", help="words to check on (128)")
    parser.add_argument(
        "--front",
        action="store_true",
        help="write all nets of a search's front (search.front in its recipe), as FILE-1 and so on, the "
        "cheapest first, and a table of them as .csv",
    )
    parser.add_argument(
        "--latency", action="store_true", help="with --front: time the files on this machine, some seconds"
    )
    int8.add_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write, check, and print what was seen."""
    if args.words < 1:
        raise InputError(f"--words: {args.words} is too few, give at least 1")
    int8.check_options(args)
    if args.latency and not args.front:
        raise InputError("--latency goes with --front: leave it out, or write all nets of a search's front")
    if args.front:
        from autostr_nni.cli.export_front import export_front

        return export_front(
            args.checkpoint, args.file, partial(_words, args), args.part, args.latency, args.json
        )
    from autostr_nni.export.write import NotEqual, check_place, export
    from autostr_nni.reading.checkpoint import load_trained
    from autostr_nni.reading.read_files import use_threads

    file: Path = args.file
    check_place(file)
    trained = load_trained(checkpoint(args.checkpoint))
    use_threads(trained.recipe)
    try:
        if args.int8:
            quantized = int8.run(trained, args)
            facts, text = quantized.to_dict(), int8.as_text(quantized)
        else:
            exported = export(trained, file, _words(args, trained.recipe), args.part)
            facts, text = exported.to_dict(), as_text(exported)
    except NotEqual as error:
        complain(f"{file} is not written, the check failed: {error}")
        return 1
    if args.json:
        say_json(facts, indent=2)
    else:
        say(text)
    return 0


def _words(args: argparse.Namespace, recipe: Recipe) -> np.ndarray:
    """The images that files are checked on."""
    from autostr_nni.export.words import rendered_words, words_of_set

    if args.check is None:
        return rendered_words(recipe, args.words)
    return words_of_set(recipe, args.check, args.words)


def as_text(exported: Exported) -> str:
    """A line about the file, and a table of what was checked."""
    from autostr_nni.cli.table import table

    facts = exported.about
    size = f"{facts['image_height']}x{facts['image_width']}"
    lines = [("batch", "words", "largest difference", "words/s", "words/s in PyTorch")]
    for row in exported.comparisons:
        lines.append(
            (
                str(row.batch),
                str(row.words),
                f"{row.largest_difference:.1e}",
                f"{row.words_per_second:,.1f}",
                f"{row.torch_words_per_second:,.1f}",
            )
        )
    what = "same text, logits" if exported.part == "recognizer" else "features"
    return (
        f"{exported.file}: {exported.part} as {exported.format}, {exported.bytes / 1e6:.1f} MB, "
        f"images {size}, {len(facts['charset'])} characters\nchecked against PyTorch ({what} within 1e-4):\n"
        + table(lines, ">>>>>")
    )
