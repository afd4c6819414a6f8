"""`autostr data show`: a sheet of words as a net is shown them in training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.output import say
from autostr_nni.cli.parser import path, path_text
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe

_DRAWS = 3  # of each word
_MOST = 200  # words of a sheet


def add_show(commands: Any) -> None:
    """Add the command to those of `data`."""
    parser = commands.add_parser(
        "show",
        help="draw words as a net is shown them in training",
        description="Draw words of a set as the recipe's nets read them, and beside each what "
        "training.augment makes of it in three epochs. The same options give the same sheet.",
    )
    parser.add_argument("set", metavar="LMDB", type=path_text, help="folder of a set, or of several")
    parser.add_argument("--recipe", required=True, metavar="FILE", type=path_text, help="whose nets")
    parser.add_argument(
        "--out", required=True, metavar="FILE", type=path, help="the picture (.png, .jpg, .webp)"
    )
    parser.add_argument("--count", type=int, default=12, metavar="N", help="words (12)")


def show(args: argparse.Namespace) -> int:
    """Draw the sheet; the exit status."""
    if not 1 <= args.count <= _MOST:
        raise InputError(f"--count: {args.count} is not between 1 and {_MOST}")
    from autostr_nni.data.sets.prepare import not_rendered
    from autostr_nni.reading.pictures.canvas import check_picture, save
    from autostr_nni.reading.pictures.training_sheet import training_sheet
    from autostr_nni.recipe import load_recipe

    check_picture(args.out)
    recipe = load_recipe(args.recipe)
    if Path(args.set).resolve() in {folder.resolve() for folder in not_rendered(recipe)}:
        raise InputError(
            f"{args.set} is not rendered yet: the first search or training by {args.recipe} does that"
        )
    words = shown_words(recipe, args.set, args.count)
    augment = recipe.model_dump(mode="json")["training"]["augment"]
    subtitle = f"{args.set} · left the image as it is read, right of it what {_DRAWS} epochs show of it"
    save(training_sheet(words, f"training.augment: {augment}", subtitle), args.out)
    say(f"{len(words)} words, training.augment: {augment}: {args.out}")
    return 0


def shown_words(recipe: Recipe, folder: str, count: int) -> list[Any]:
    """The first words that training would draw of a set, each with what some epochs show of it.

    Raises InputError where none of them can be decoded.
    """
    from contextlib import closing

    from autostr_nni.data.augment import Augmentation
    from autostr_nni.data.loader import EpochSampler
    from autostr_nni.reading.evaluation import check_any_decoded, open_set
    from autostr_nni.reading.pictures.training_sheet import Shown
    from autostr_nni.recipe.augment import amounts

    augmentation = Augmentation(amounts(recipe.training.augment), recipe.seed)
    with closing(open_set(recipe, [Path(folder)])) as words:
        drawn = list(EpochSampler(len(words), min(count, len(words)), recipe.seed))
        batch = words.batch(drawn)
        check_any_decoded(words, len(batch.images))
    seen = [augmentation(batch.images, epoch, 0) for epoch in range(_DRAWS)]
    rows = [
        [images[place].permute(1, 2, 0).numpy() for images in (batch.images, *seen)]
        for place in range(len(seen[0]))
    ]
    return [Shown(text, first, rest) for text, (first, *rest) in zip(batch.texts, rows, strict=True)]
