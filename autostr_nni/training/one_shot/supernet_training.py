"""The first step of a one-shot search: from the data to a trained supernet; and its weights, found again."""

from __future__ import annotations

from pathlib import Path

from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.checkpoint import load_file
from autostr_nni.reading.evaluation import open_set
from autostr_nni.recipe import Recipe
from autostr_nni.runs.doing import OPENS, tell_doing
from autostr_nni.runs.figures import Figures, Report
from autostr_nni.runs.layout import LAST
from autostr_nni.runs.records import read_metrics
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.one_shot import OneShotSupernet
from autostr_nni.training.batches import tell_mix
from autostr_nni.training.callbacks.epoch_end import EpochEnd
from autostr_nni.training.device_setup import prepare_torch
from autostr_nni.training.distributed.group import Team
from autostr_nni.training.going_on.initial import Init, begin
from autostr_nni.training.loop import fit
from autostr_nni.training.one_net import fixed_metrics
from autostr_nni.training.one_shot.supernet_task import SupernetTask

_PREFIX = "recognizer."  # of weights in a task's checkpoint


def train_supernet(
    space: SearchSpace, recipe: Recipe, folder: Path, *, team: Team, report: Report
) -> Figures:
    """Train the supernet, which stays in the folder's ``last.ckpt``; the figures of its last epoch."""
    prepare_torch(recipe.seed, recipe.search.one_shot.threads or recipe.training.threads, team)
    if team.leads:
        tell_doing(folder, OPENS)
    training = open_set(recipe, recipe.data.train)
    chosen_by = recipe.data.validation_for("ranking")
    validation = open_set(recipe, chosen_by, recipe.data.validation_limit, once=True)
    print(training.report(), validation.report(), sep="\n", flush=True)
    tell_mix(training, recipe.search.one_shot.epoch_images or recipe.training.epoch_images)
    recognizer, supernet = build_one_shot(space, recipe, training.charset.classes)
    begin(recognizer, recipe, Init.of("search.init", recipe.search.init), folder, team)
    task = SupernetTask(recognizer, supernet, space, recipe, training, validation, team)
    callback = EpochEnd(folder, fixed_metrics(task.shown, space, recipe.price), report)
    fit(task, recipe.training, recipe.supernet_epochs, folder, callback)
    return read_metrics(folder)[-1]


def build_one_shot(space: SearchSpace, recipe: Recipe, classes: int) -> tuple[Recognizer, OneShotSupernet]:
    """A recognizer whose backbone is the supernet over all paths."""
    supernet = OneShotSupernet(space=space)
    return Recognizer(supernet, classes, recipe.model), supernet


def load_supernet(recognizer: Recognizer, folder: Path) -> None:
    """Put the weights of a trained supernet, whose trial's folder this is, into a recognizer of its kind."""
    content = load_file(folder / LAST, "the search must be started anew")
    weights = content["state_dict"]
    own = {key.removeprefix(_PREFIX): value for key, value in weights.items() if key.startswith(_PREFIX)}
    recognizer.load_state_dict(own)
