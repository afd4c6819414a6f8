"""`autostr data check`: what sets hold, those that are named or those of a recipe."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.output import say, say_json
from autostr_nni.cli.parser import path_text
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.data.mixing import Mix
    from autostr_nni.recipe import Recipe
    from autostr_nni.recipe.words.sources import WordSource

Lengths = Counter[int]  # words by their number of characters

CHARSET_HELP = (
    "printable, alphanumeric, lowercase, digits, latin, or the characters themselves (default: printable)"
)


def add_charset(parser: argparse.ArgumentParser) -> None:
    """The two ways to say which characters are read."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--charset", metavar="CHARSET", help=CHARSET_HELP)
    either.add_argument(
        "--charset-file",
        metavar="FILE",
        type=path_text,
        help="a list of the characters: one a line, or a text",
    )


def charset_of(args: argparse.Namespace) -> str | None:
    """The charset as it was given; None where it was not."""
    if args.charset_file is None:
        given: str | None = args.charset
        return given
    from autostr_nni.recipe.words.charset_file import read_charset

    return read_charset(args.charset_file)


def add_check(commands: Any) -> None:
    """Add the command to those of `data`."""
    parser = commands.add_parser(
        "check",
        help="tell what sets hold and what of it cannot be used",
        description="Look at every sample of all sets at or under the folders, or of the sets that a recipe "
        "names, with the shares by which it mixes them; those still to be rendered are told. Status 1 if one "
        "is damaged or has no sample that can be used.",
    )
    parser.add_argument(
        "sets", nargs="*", metavar="LMDB", type=path_text, help="folder of a set, or of several"
    )
    parser.add_argument(
        "--recipe", metavar="FILE", type=path_text, help="the sets, charset and longest word of this recipe"
    )
    add_charset(parser)
    parser.add_argument("--max-length", type=int, metavar="N", help="default: 25")
    parser.add_argument("--labels-only", action="store_true", help="do not decode the images")
    parser.add_argument("--json", action="store_true", help="print JSON")


def check(args: argparse.Namespace) -> int:
    """Print what the sets hold; 0 if all can be used."""
    from autostr_nni.data.charset import Charset
    from autostr_nni.recipe.words.sources import sources_of

    if args.recipe is None:
        if not args.sets:
            raise InputError("data check: name the folder of a set, or a recipe with --recipe")
        given_charset = charset_of(args)
        charset = Charset.named("printable" if given_charset is None else given_charset)
        max_length = 25 if args.max_length is None else args.max_length
        if max_length < 1:
            raise InputError(f"data check: --max-length must be at least 1, not {max_length}")
        found, _ = _reports(sources_of(args.sets), charset, max_length, args)
        return _end(args, {"sets": found})
    given = {
        "LMDB": args.sets,
        "--charset": args.charset if args.charset_file is None else args.charset_file,
        "--max-length": args.max_length,
    }
    for name, value in given.items():
        if value is not None and value != []:
            raise InputError(
                f"data check: {name} is the recipe's to say; leave it out, or leave out --recipe"
            )
    return _check_recipe(args)


def _check_recipe(args: argparse.Namespace) -> int:
    """The sets of every key of a recipe, and what an epoch draws of each."""
    from autostr_nni.data.charset import Charset
    from autostr_nni.data.sets.folders import has_sets
    from autostr_nni.data.sets.prepare import check_synth, check_uses, named_sources, not_rendered
    from autostr_nni.data.sets.usable import ELSEWHERE, EVALUATED_LENGTH
    from autostr_nni.recipe import load_recipe

    recipe = load_recipe(args.recipe, run_extensions=False)
    charset = Charset.named(recipe.data.charset)
    keys: dict[str, Any] = {}
    mixes: dict[str, Any] = {}
    to_come = not_rendered(recipe)
    check_synth(recipe)
    all_there: dict[str, list[WordSource]] = {}
    for key, sources in named_sources(recipe).items():
        if not args.json and sources:
            say(f"data.{key}:")
            for folder, count in _waiting(sources, to_come).items():
                say(f"{folder}: not rendered yet, {count} words to come with the first search or training")
        # Test words are read up to a length of their own, and count.
        tests = key in ("test", ELSEWHERE)
        longest = max(recipe.data.max_length, EVALUATED_LENGTH if tests else 0)
        steps = None if tests else recipe.model.ctc_steps
        there = [s for s in sources if not _waiting([s], to_come) or has_sets(s.set)]
        all_there[key] = there
        keys[key], usable = _reports(there, charset, longest, args, steps)
        drawn = [source for source in sources if source.weight]
        if drawn and not _waiting(drawn, to_come) and all(usable[source.set] for source in drawn):
            mixes[key] = _told_mix(key, drawn, usable, recipe)
            if not args.json:
                for line in mixes[key]["told"]:
                    say(line)
    found = [report for reports in keys.values() for report in reports]
    warnings: list[str] = []
    if not any("error" in report for report in found):
        check_uses(recipe, all_there, lambda line: warnings.append(line.removeprefix("warning: ")))
    if not args.json:
        for line in warnings:
            say(f"warning: {line}")
    waiting = {str(folder): count for folder, count in to_come.items()}
    told = {"sets": found, "keys": keys, "mix": mixes, "not_rendered": waiting, "warnings": warnings}
    return _end(args, told)


def _waiting(sources: Sequence[WordSource], to_come: Mapping[Path, int]) -> dict[Path, int]:
    """Those of the sets that are not rendered yet which lie at or under these."""
    roots = {source.set for source in sources}
    return {folder: count for folder, count in to_come.items() if roots & {folder, *folder.parents}}


def _told_mix(
    key: str, sources: Sequence[WordSource], usable: Mapping[Path, Lengths], recipe: Recipe
) -> dict[str, Any]:
    """What is drawn of each set, by the lengths of epochs, or for a validation."""
    counts: dict[str, Mapping[str, int]] = {}
    lines: dict[str, list[str]] = {}  # what is drawn, and for what: steps that draw alike share a line
    for name, asked, longest in _draws(key, recipe):
        mix = _mix(sources, usable, longest)
        if 0 in mix.sizes:
            empty = mix.names[mix.sizes.index(0)]
            told = f"nothing: no word of {empty} has {longest} characters or fewer"
        else:
            images = len(mix.once(asked, recipe.seed)) if key != "train" else asked or sum(mix.sizes)
            counts[name] = dict(zip(mix.names, mix.counts(images), strict=True))
            told = mix.told(images)
        lines.setdefault(told, []).append(name)
    verb = ("  an epoch of ", "draws") if key == "train" else ("  ", "reads")
    return {
        "counts": counts,
        "told": [f"{verb[0]}{' and '.join(names)} {verb[1]} {told}" for told, names in lines.items()],
    }


def _draws(key: str, recipe: Recipe) -> list[tuple[str, int | None, int]]:
    """What draws of a key's sets: its name, how many words (None: all that there are), of what length."""
    longest, search = recipe.data.max_length, recipe.search
    if key != "train":
        return [("validation", recipe.data.validation_limit, longest)]
    steps = (("search.path", search.path), ("search.operators", search.operators))
    return [
        ("training", recipe.training.epoch_images, longest),
        *((name, step.epoch_images, min(step.max_length or longest, longest)) for name, step in steps),
    ]


def _mix(sources: Sequence[WordSource], usable: Mapping[Path, Lengths], longest: int) -> Mix:
    """The shares of sets whose words have so many characters at most."""
    from autostr_nni.data.mixing import Mix

    sizes = [
        sum(count for length, count in usable[source.set].items() if length <= longest) for source in sources
    ]
    weights = tuple(source.weight or 0.0 for source in sources)
    return Mix(tuple(str(source.set) for source in sources), tuple(sizes), weights)


def _reports(
    sources: Sequence[WordSource],
    charset: Any,
    max_length: int,
    args: argparse.Namespace,
    steps: int | None = None,
) -> tuple[list[dict[str, Any]], dict[Path, Lengths]]:
    """What is found of every set, and the usable words of each source by their length; with CTC its steps."""
    from autostr_nni.data.sets.check import check_set
    from autostr_nni.data.sets.folders import find_sets

    found: list[dict[str, Any]] = []
    usable: dict[Path, Lengths] = {}
    for source in sources:
        usable[source.set] = Counter()
        for folder in find_sets(source.set):
            try:
                images = not args.labels_only
                report = check_set(
                    folder, charset, max_length, images=images, only=source.filter, steps=steps
                )
            except InputError as error:  # one damaged set must not hide the others
                found.append({"folder": str(folder), "error": str(error)})
                if not args.json:
                    say(f"{folder}: {error}")
                continue
            usable[source.set] += report.lengths
            found.append(report.to_dict())
            if not args.json:
                say(report.to_text())
    return found, usable


def _end(args: argparse.Namespace, told: dict[str, Any]) -> int:
    if args.json:
        say_json(told, indent=2)
    return 0 if all(report.get("usable", 0) > 0 for report in told["sets"]) else 1
