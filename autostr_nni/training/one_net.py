"""Training of one architecture by itself: step 1's paths, step 3, and nets outside a search."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.checkpoint import Trained, load_trained, save_trained
from autostr_nni.reading.evaluation import open_set, test_scores
from autostr_nni.recipe import Recipe
from autostr_nni.runs.doing import OPENS, tell_doing
from autostr_nni.runs.figures import Figures, Report, TrialResult, figures
from autostr_nni.runs.layout import ARCHITECTURE, BEST
from autostr_nni.runs.records import read_metrics
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS, MILLION, Price, backbone_costs, total
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import write_atomic
from autostr_nni.training.batches import tell_mix
from autostr_nni.training.callbacks.epoch_end import EpochEnd, best_epoch
from autostr_nni.training.compiling import compile_backbone
from autostr_nni.training.device_setup import on_devices, prepare_torch, torch_device
from autostr_nni.training.distributed.group import Team
from autostr_nni.training.going_on.initial import Init, begin
from autostr_nni.training.loop import fit
from autostr_nni.training.net_task import RecognitionTask


def fixed_metrics(architecture: Architecture, space: SearchSpace, price: Price = MACS) -> Figures:
    """Cost of the backbone; the last two figures vary only in the operator search."""
    cost = total(backbone_costs(architecture, space))
    sizes: dict[str, float] = {"macs_m": cost.macs / MILLION, "params_m": cost.params / MILLION}
    counted = price.figure(architecture, space)
    if counted is not None:
        sizes |= {price.key: counted, f"expected_{price.key}": counted}
    return figures({**sizes, "entropy": 0.0})


def train_alone(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    epochs: int,
    epoch_images: int | None,
    max_length: int | None = None,
    full: bool = False,
    init: Init | None = None,
    *,
    team: Team,
    report: Report,
) -> None:
    """Train one architecture, from ``init`` where it is given.

    ``full`` follows the schedules of rate and words and keeps the best net.
    """
    prepare_torch(recipe.seed, recipe.training.threads, team)
    if team.leads:
        tell_doing(folder, OPENS)
    training = open_set(recipe, recipe.data.train, max_length=max_length)
    chosen_by = recipe.data.validation_for("epochs" if full else "ranking")
    validation = open_set(recipe, chosen_by, recipe.data.validation_limit, max_length, once=True)
    for dataset in (training, validation):
        print(dataset.report(), flush=True)
    tell_mix(training, epoch_images)
    short = recipe.training.short_words
    short_training = None
    if full and short.epochs:
        short_training = open_set(recipe, recipe.data.train, max_length=short.max_length)
        print(f"first epochs: {short_training.report()}", flush=True)
    from autostr_nni.search_spaces.nni_space import frozen_net  # NNI reads at import which trial it is in

    net = frozen_net(architecture, space)
    recognizer = Recognizer(net, training.charset.classes, recipe.model)
    trained = Trained(recognizer, recipe, architecture, space, {})
    begin(recognizer, recipe, init, folder, team)
    if team.leads:
        write_atomic(folder / ARCHITECTURE, architecture.to_json(space))
    # A rung is the beginning of a whole training, of a path as of a net.
    planned = recipe.training.epochs if full else recipe.search.path.epochs
    sets = (training, validation, epoch_images, planned, full, short_training)
    task = RecognitionTask(recognizer, recipe, *sets, team)
    if recipe.training.compile:
        task.compiled = compile_backbone(recognizer.backbone, torch_device(recipe.training), team)

    def save_best(metrics: Figures) -> None:
        save_trained(folder / BEST, replace(trained, recognizer=task.judged, metrics=metrics))

    callback = EpochEnd(
        folder,
        fixed_metrics(architecture, space, recipe.price),
        report,
        save_best if full else None,
        recipe.training.patience if full else None,
        keep_losses=not full,  # the noise of step 1's ranking
    )
    fit(task, recipe.training, epochs, folder, callback)


def train_fully(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    report: Report,
    init: Init | None = None,
) -> TrialResult:
    """Step 3: train by the recipe's ``training``, choose the epoch on validation, score the test sets."""
    options = recipe.training
    budget = (options.epochs, options.epoch_images, None)
    done = epochs_done(options.epochs, folder)
    if done is None:
        work = partial(train_alone, architecture, space, recipe, folder, *budget, full=True, init=init)
        on_devices(work, options, report)
    elif done > options.epochs:
        print(f"{done} epochs are done already, {options.epochs} asked for: no more is trained", flush=True)
    final = best_epoch(read_metrics(folder))
    assert final is not None
    result: TrialResult = {"metrics": final, "architecture": architecture.text}
    if recipe.data.test or recipe.data.elsewhere:
        best = load_trained(folder / BEST, str(torch_device(options)))
        best.recipe = recipe  # the one that it was saved with may name other test sets, workers and batches
        result["test"] = test_scores(best)
    return result


def epochs_done(wanted: int, folder: Path) -> int | None:
    """How many epochs a training has had, where that is all that is wanted; else None.

    Raises InputError where it has had more, and its best net is gone.
    """
    done = len(read_metrics(folder))
    if done < wanted:
        return None
    if (folder / BEST).is_file():
        return done
    if done == wanted:
        return None
    raise InputError(f"{folder}: has had {done} epochs, and its {BEST} is gone; give another folder")
