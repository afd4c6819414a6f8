"""`autostr data`: render, pack, check and show word image sets."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.check_sets import add_charset, add_check, charset_of, check
from autostr_nni.cli.output import say, say_json
from autostr_nni.cli.parser import path_text
from autostr_nni.cli.show_set import add_show, show
from autostr_nni.system.errors import InputError
from autostr_nni.system.leaving import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `data` and its four commands."""
    parser = subparsers.add_parser("data", help="render, pack, check and show word image sets")
    commands = parser.add_subparsers(dest="data_command", metavar="COMMAND", required=True)
    _add_synth(commands)
    _add_pack(commands)
    add_check(commands)
    add_show(commands)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run one of the commands, return the exit status."""
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "synth": _synth,
        "pack": _pack,
        "check": check,
        "show": show,
    }
    with stoppable():  # a set that is not ended is removed
        return commands[args.data_command](args)


def _add_synth(commands: Any) -> None:
    parser = commands.add_parser(
        "synth",
        help="render words into a set",
        description="Render words into a set. The same options give the same set, whatever --processes is.",
    )
    parser.add_argument("out", metavar="OUT", type=path_text, help="folder of the new set")
    parser.add_argument("--count", type=int, required=True, help="number of words")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        help="only words of this part (80, 10, 10 %% of all): sets of different parts share no word",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--lexicon",
        metavar="FILE",
        type=path_text,
        help="words, one a line (default: frequent English words)",
    )
    source.add_argument("--digits", metavar="MIN-MAX", help="numbers of so many digits, for instance 1-3")
    parser.add_argument("--style", choices=("scene", "mild"), default="scene", help="default: scene")
    add_charset(parser)
    parser.add_argument("--min-length", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--max-length", type=int, default=25, metavar="N", help="default: 25")
    parser.add_argument(
        "--words", metavar="MIN-MAX", help="lines of so many words, for instance 2-8 (default: single words)"
    )
    parser.add_argument("--height", type=int, default=40, help="of an ordinary image in pixels (default: 40)")
    parser.add_argument(
        "--exclude",
        "--holdout",
        action="append",
        default=[],
        metavar="SET",
        type=path_text,
        help="a set or a word list whose words are not used; may be repeated",
    )
    parser.add_argument(
        "--fonts",
        action="append",
        default=[],
        metavar="DIR",
        type=path_text,
        help="more fonts; may be repeated",
    )
    parser.add_argument(
        "--no-system-fonts",
        action="store_true",
        help="use the fonts of --fonts alone, or those of matplotlib",
    )
    parser.add_argument(
        "--backgrounds",
        action="append",
        default=[],
        metavar="DIR",
        type=path_text,
        help="pictures to write on",
    )
    parser.add_argument("--processes", type=int, metavar="N", help="default: one per core")
    parser.add_argument("--force", action="store_true", help="replace a set that is already there")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def _add_pack(commands: Any) -> None:
    parser = commands.add_parser(
        "pack",
        help="make a set of images and their labels",
        description="Make a set of a list with one image<TAB>label a line, paths relative to the list.",
    )
    parser.add_argument("list", metavar="LIST", type=path_text, help="text file, UTF-8")
    parser.add_argument("out", metavar="OUT", type=path_text, help="folder of the new set")
    parser.add_argument("--force", action="store_true", help="replace a set that is already there")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def _synth(args: argparse.Namespace) -> int:
    from autostr_nni.data.synth.produce import left_out_lines, synthesize

    # A file may be called english, as the words are that need none.
    lexicon = str(Path(args.lexicon).absolute()) if args.lexicon else None
    summary = synthesize(
        args.out,
        args.count,
        processes=args.processes,
        force=args.force,
        progress=_Progress() if sys.stderr.isatty() else None,
        seed=args.seed,
        split=args.split,
        source=lexicon or (f"digits:{args.digits}" if args.digits else "english"),
        style=args.style,
        charset="printable" if (charset := charset_of(args)) is None else charset,
        min_length=args.min_length,
        max_length=args.max_length,
        words=_range(args.words),
        height=args.height,
        exclude=args.exclude,
        fonts=args.fonts,
        system_fonts=not args.no_system_fonts,
        backgrounds=args.backgrounds,
    )
    if args.json:
        say_json(summary, indent=2)
    else:
        say(
            "{words} words in {folder}: {seconds:.1f} s, {words_per_second:.0f} words/s, "
            "{processes} process{es}, {fonts} fonts".format(**summary, es="es" * (summary["processes"] != 1))
        )
        for line in left_out_lines(summary):
            say(f"  {line}")
    return 0


def _range(text: str | None) -> tuple[int, int]:
    """Fewest and most words of a text."""
    if text is None:
        return 1, 1
    low, _, high = text.partition("-")
    if not (low.isdecimal() and (high or low).isdecimal()):
        raise InputError(f"--words {text}: write two numbers, such as 2-8")
    return int(low), int(high or low)


class _Progress:
    """One line on the error stream that is written over, at most ten times a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, done: int, of: int, rate: float) -> None:
        now = time.monotonic()
        if done < of and now - self._last < 0.1:
            return
        self._last = now
        end = "\n" if done >= of else ""
        print(f"\r{done} of {of} words, {rate:.0f} words/s ", end=end, file=sys.stderr, flush=True)


def _pack(args: argparse.Namespace) -> int:
    from autostr_nni.data.sets.pack import pack

    summary = pack(args.list, args.out, force=args.force)
    if args.json:
        values = {"folder": summary.folder, "packed": summary.packed, "skipped": dict(summary.skipped)}
        values["one_colour"] = len(summary.one_colour)
        say_json({**values, "examples": summary.examples}, indent=2)
        return 0
    say(f"{summary.packed} samples in {summary.folder}")
    for cause, count in summary.skipped.most_common():
        say(f"  left out: {count} {cause} ({'; '.join(summary.examples[cause])})")
    if summary.one_colour:
        shown = "; ".join(summary.one_colour[:3])
        say(f"  of one colour, so that no letter is to be seen: {len(summary.one_colour)} of those ({shown})")
    return 0
