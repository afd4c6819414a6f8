"""`autostr train`: train one architecture alone, and score it on the recipe's test sets."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.search_spaces.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="train one architecture",
        description="Train one architecture by the recipe's `training` section. Run again with the same "
        "--out, it goes on where it stopped.",
    )
    parser.add_argument(
        "architecture",
        metavar="ARCH",
        help="a name (autostr-iiit5k, mbconv-k5e6, aster), a text such as ABABB:k5e6,k3e1,…, a JSON file "
        "such as a trial's architecture.json, or a trained checkpoint whose architecture is meant",
    )
    parser.add_argument("--recipe", required=True, metavar="FILE", help="data, model, training and seed")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of metrics and checkpoints")
    parser.add_argument("--init", metavar="CKPT", help="start from the weights of this trained checkpoint")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs in all, instead of the recipe's")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, and print the result."""
    from autostr_nni.cli.progress import epoch_line
    from autostr_nni.data.prepare import prepare_data
    from autostr_nni.nni.launcher import stoppable
    from autostr_nni.recipe import load_recipe
    from autostr_nni.recipe.extras import check_extras
    from autostr_nni.recipe.traps import check_traps

    recipe = load_recipe(args.recipe)
    if args.epochs is not None:
        recipe = with_epochs(recipe, args.epochs)
    architecture, space = architecture_of(args.architecture, recipe, args.recipe)

    def say(text: str) -> None:
        if not args.json:
            print(text, flush=True)

    check_extras(recipe)
    check_traps(recipe)
    folder = Path(args.out)
    if folder.exists() and not folder.is_dir():  # told before words are rendered
        raise InputError(f"--out {folder}: cannot be used as a folder: it is a file")
    prepare_data(recipe, say)
    from autostr_nni.training.trial import train_architecture  # slow: after what may be wrong with the input

    def report(metrics: dict[str, Any], final: bool) -> None:
        if not final:
            say(epoch_line(metrics))

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be used as a folder: {error.strerror}") from None
    # Training prints of its own.
    with stoppable(), redirect_stdout(sys.stderr if args.json else sys.stdout):
        result = train_architecture(architecture, space, recipe, folder, report, init=args.init)
    if args.json:
        print(json.dumps({**result, "folder": str(folder)}, indent=2))
        return 0
    best = result["metrics"]
    print(f"best epoch {best['epoch'] + 1}: validation word accuracy {100 * best['default']:.1f} %")
    if result.get("test"):
        from autostr_nni.cli.evaluate import scores_table

        print(scores_table(result["test"]))
    print(f"checkpoint: {folder / 'best.ckpt'}")
    return 0


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another number of epochs. Raises InputError below 1."""
    if epochs < 1:
        raise InputError(f"--epochs: {epochs} is too few, give at least 1")
    training = recipe.training.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update={"training": training})


def architecture_of(text: str, recipe: Recipe, source: str) -> tuple[Any, Any]:
    """Architecture and space from ARCH: a checkpoint's, a named one with its own stages, or of the recipe."""
    from dataclasses import replace

    from autostr_nni.search_spaces import named
    from autostr_nni.search_spaces.written import parse_architecture

    space = recipe.space()
    if text in named.NAMED:
        space = replace(space, stage_layers=named.lookup(text)[1])
    elif text.endswith(".ckpt"):
        from autostr_nni.training.checkpoint import load_trained

        trained = load_trained(text)
        space = replace(space, stage_layers=trained.space.stage_layers)
        if trained.space != space:
            raise InputError(
                f"{text}: was trained in another space than that of {source}; use its own recipe"
            )
        return trained.architecture, space
    return parse_architecture(text, space), space
