"""One trial: a proposal in, a trained net and its metrics out. The same for NNI and in-process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from autostr_nni.recipe import Recipe
from autostr_nni.runs.figures import Figures, Report, TrialResult
from autostr_nni.runs.layout import RECIPE
from autostr_nni.runs.records import read_metrics, read_result, write_result
from autostr_nni.runs.search_folder import locked
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.steps import OPERATORS, PATH, RANKING, RUNG, STEPS, SUPERNET, TRAIN
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import write_atomic
from autostr_nni.training.device_setup import on_devices, on_one_device, prepare_torch, restored_threads
from autostr_nni.training.going_on.continuing import forget_previous
from autostr_nni.training.going_on.initial import Init
from autostr_nni.training.going_on.promotion import climb
from autostr_nni.training.going_on.same_training import check_same_training
from autostr_nni.training.one_net import epochs_done, train_alone, train_fully
from autostr_nni.training.one_shot.beside import inherited, trial_of
from autostr_nni.training.tensorboard import logged


def run_proposal(parameters: Mapping[str, Any], recipe: Recipe, folder: Path, report: Report) -> Figures:
    """Run one trial in ``folder``; continue it, or return its result, if it was begun or done before.

    Args:
        parameters: ``step`` (of `strategies.steps`), ``stride_path``, for rungs and whole trainings
            ``op_01`` ..., for a rung the ``epochs`` that the net is trained for in all, and for a finalist of
            a one-shot search the ``weights`` that it inherits.
        report: called with the metrics of each epoch and False, then with the final ones and True.

    Returns:
        The final metrics: ``default`` (word accuracy on validation, 0 to 1), ``loss``, ``macs_m``,
        ``params_m`` and more; an operator search and a ranking add ``architecture``, a whole training
        ``test`` in result.json.

    Raises:
        InputError: the proposal is not one of the recipe's space, or its data cannot be used.
        TrainingFailed: training diverged, or did not fit into memory.
    """
    kept = read_result(folder)
    done = kept.get("metrics")
    if done is not None:
        own = kept.get("parameters", dict(parameters))
        if {**own, **parameters} != own:
            raise InputError(f"{folder}: holds the result of another trial; search in another folder")
        report(done, True)
        return done
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.training.tensorboard:
        report = logged(report, folder)
    if parameters.get("step") != TRAIN or not recipe.has_proxy:  # a proxy's winner starts from scratch
        climb(folder, parameters)
    prepare_torch(recipe.seed, recipe.training.threads)
    result = _run_step(parameters, recipe, folder, report)
    write_result(folder, {"parameters": dict(parameters), **result})
    forget_previous(folder)
    report(result["metrics"], True)
    return result["metrics"]


def _run_step(parameters: Mapping[str, Any], recipe: Recipe, folder: Path, report: Report) -> TrialResult:
    """What a trial leaves in its result besides the parameters."""
    space = recipe.space()
    step = parameters.get("step")
    if step == PATH:
        path = StridePath.parse(str(parameters["stride_path"]), space.stage_layers)
        architecture = space.default_architecture(path, recipe.search.path.default_operation)
        options = recipe.search.path
        epochs = int(parameters.get("epochs", options.epochs))
        budget = (epochs, options.epoch_images, options.max_length)
        init = Init.of("search.init", recipe.search.init)
        work = partial(train_alone, architecture, space, recipe.for_search(), folder, *budget, init=init)
        on_devices(work, recipe.training, report)
        return {"metrics": read_metrics(folder)[-1]}
    if step == OPERATORS:
        path = StridePath.parse(str(parameters["stride_path"]), space.stage_layers)
        operators, alone = recipe.search.operators, recipe.for_operators()
        key = "training.devices" if operators.devices is None else "search.operators.devices"
        # NNI reads at import which trial it is in: the warm process must not import what stands on it.
        from autostr_nni.training.operator_search import search_operators

        search = partial(search_operators, path, space, alone, folder)
        with restored_threads():
            final, probabilities = on_devices(search, alone.training, report, operators.batch_size, key)
        return {"metrics": final, "probabilities": probabilities}
    if step in (SUPERNET, RANKING):
        with restored_threads():
            return {"metrics": _one_shot(step, space, recipe, folder, report)}
    if step == RUNG:
        architecture = Architecture.from_parameters(parameters, space)
        epochs, images = int(parameters["epochs"]), recipe.training.epoch_images
        ranking, init = recipe.for_ranking(), _of_nets(recipe)
        if recipe.has_proxy:  # nets of their own, and not the beginning of a whole training
            init = Init.of("search.init", recipe.search.init)
        work = partial(
            train_alone, architecture, space, ranking, folder, epochs, images, full=True, init=init
        )
        on_devices(work, recipe.training, report)
        return {"metrics": read_metrics(folder)[-1]}
    if step == TRAIN:
        architecture = Architecture.from_parameters(parameters, space)
        weights = inherited(folder, parameters)
        init = _of_nets(recipe) if weights is None else Init("weights", weights)
        return train_fully(architecture, space, recipe, folder, report, init)
    raise InputError(f"step: {step!r} is no step of a search, which are {', '.join(STEPS)}")


def _of_nets(recipe: Recipe) -> Init | None:
    """What nets start from that are trained alone, and so on the rungs that are the beginning of that."""
    return Init.of("training.init", recipe.training.init)


def _one_shot(step: str, space: SearchSpace, recipe: Recipe, folder: Path, report: Report) -> Figures:
    """The final metrics of a supernet's training, or of a ranking on its weights."""
    if step == SUPERNET:
        # As above: what stands on NNI is imported by the trial alone.
        from autostr_nni.training.one_shot.supernet_training import train_supernet

        ranking = recipe.for_ranking()
        return on_devices(partial(train_supernet, space, ranking, folder), recipe.training, report)
    from autostr_nni.training.one_shot.ranking import rank_nets

    work = partial(rank_nets, space, recipe, folder, trial_of(SUPERNET, folder))
    return on_one_device(work, report, "evaluation.batch_size", recipe.evaluation.batch_size)


def train_architecture(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    report: Report,
    init: Path | str | None = None,
) -> TrialResult:
    """Train an architecture outside a search, from ``init``, else by ``training.init``; its result.

    Run again in the same folder it goes on from the last epoch, also towards more epochs than before.

    Raises:
        InputError: the folder is in use, holds a training by another recipe or of another architecture, or
            nothing of what it starts from fits.
    """
    check_same_training(architecture, space, recipe, folder)
    with locked(folder):
        return _train(architecture, space, recipe, folder, report, init)


def _train(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    report: Report,
    init: Path | str | None,
) -> TrialResult:
    prepare_torch(recipe.seed, recipe.training.threads)
    if epochs_done(recipe.training.epochs, folder) is None:
        write_atomic(folder / RECIPE, json.dumps(recipe.model_dump(mode="json"), indent=1))
    if recipe.training.tensorboard:
        report = logged(report, folder)
    start = _of_nets(recipe) if init is None else Init("--init", Path(init))
    result = train_fully(architecture, space, recipe, folder, report, start)
    write_result(folder, result)
    forget_previous(folder)
    return result
