"""`autostr train`: train one architecture alone, and score it on the recipe's test sets."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.cli.nets import ARCH_HELP, NET_HELP, checkpoint, resolve
from autostr_nni.cli.output import remark, say, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.recipe.words.metric import metric_of
from autostr_nni.runs.figures import Figures, TrialResult
from autostr_nni.runs.verdict import judge_best
from autostr_nni.system.errors import InputError

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
    parser.add_argument("architecture", metavar="ARCH", type=path_text, help=ARCH_HELP)
    parser.add_argument(
        "--recipe", required=True, metavar="FILE", type=path_text, help="data, model, training and seed"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", type=path, help="folder of metrics and checkpoints"
    )
    parser.add_argument(
        "--init",
        metavar="CKPT",
        type=path_text,
        help=f"start from this net's weights, where they fit, in place of training.init: {NET_HELP}",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs in all, instead of the recipe's")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, and print the result."""
    from autostr_nni.cli.progress import epoch_line
    from autostr_nni.data.sets.prepare import prepare_data
    from autostr_nni.recipe import load_recipe
    from autostr_nni.recipe.checks.extras import check_extras
    from autostr_nni.recipe.checks.traps import check_traps
    from autostr_nni.system.leaving import stoppable

    recipe = load_recipe(args.recipe)
    if args.epochs is not None:
        recipe = with_epochs(recipe, args.epochs)
    architecture, space = resolve(args.architecture, recipe, args.recipe)
    init = None if args.init is None else checkpoint(args.init)

    def tell(text: str) -> None:
        if not args.json:
            say(text)

    check_extras(recipe)
    check_traps(recipe)
    folder = args.out
    if folder.exists() and not folder.is_dir():  # told before words are rendered
        raise InputError(f"--out {folder}: cannot be used as a folder: it is a file")
    prepare_data(recipe, tell)
    from autostr_nni.training.going_on.same_training import begun
    from autostr_nni.training.run_trial import (
        train_architecture,  # slow: after what may be wrong with the input
    )

    def report(metrics: Figures, final: bool) -> None:
        if not final:
            tell(epoch_line(metrics))

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be used as a folder: {error.strerror}") from None
    if init is not None and begun(folder):
        remark(f"autostr: {folder} goes on with its own weights; --init counts for a new folder alone")
    # Training prints of its own.
    with stoppable(), redirect_stdout(sys.stderr if args.json else sys.stdout):
        result = train_architecture(architecture, space, recipe, folder, report, init=init)
    reached, above = result["metrics"], recipe.evaluation.learnt_above
    nothing = judge_best(reached.get("word_accuracy", reached["default"]), reached.get("blind"), above)
    if nothing:  # a training may go on, so it is no failure yet
        remark(f"autostr: warning: {nothing}")
    if args.json:
        say_json({**result, "folder": str(folder)}, indent=2)
    else:
        tell_result(result, folder)
    return 0


def tell_result(result: TrialResult, folder: Path) -> None:
    """Print the best epoch, what it reads of the test sets, and where it lies."""
    best = result["metrics"]
    accuracy = f"{100 * best['default']:.1f} % of {best['words']:,} words"
    say(f"best epoch {best['epoch'] + 1}: validation {metric_of(best).label} {accuracy}")
    if result.get("test"):
        from autostr_nni.cli.commands.evaluate import scores_table

        say(scores_table(result["test"]))
    say(f"checkpoint: {folder / 'best.ckpt'}")


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another number of epochs, and without rungs, which a training alone has no use for.

    Raises InputError below 1, and where the recipe cannot have so many: its checkpoint could not be read.
    """
    from autostr_nni.recipe import recipe_from

    if epochs < 1:
        raise InputError(f"--epochs: {epochs} is too few, give at least 1")
    training = recipe.training.model_copy(update={"epochs": epochs})
    halving = recipe.search.halving.model_copy(update={"rungs": None})
    search = recipe.search.model_copy(update={"halving": halving})
    found = recipe.model_copy(update={"training": training, "search": search})
    try:
        recipe_from(found.model_dump(mode="json"), Path("/"))
    except InputError as error:
        raise InputError(f"--epochs {epochs}: {error}") from None
    return found
