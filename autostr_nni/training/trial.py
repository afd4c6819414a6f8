"""One trial: a proposal in, a trained net and its metrics out. The same for NNI and in-process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from autostr_nni.allocation import keep_freed_memory
from autostr_nni.data.charset import Charset
from autostr_nni.data.decoded import keeping_decoded
from autostr_nni.files import write_atomic
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.recipe import Recipe
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.errors import InputError
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.training.checkpoint import Trained, load_trained, load_weights, pick_device, save_trained
from autostr_nni.training.continuing import BEST, forget_previous
from autostr_nni.training.crew import Report, Work, run_in_team
from autostr_nni.training.evaluation import evaluate_sets, open_set
from autostr_nni.training.loop import EpochEnd, best_epoch, devices_of, fit
from autostr_nni.training.memory import memory_told
from autostr_nni.training.operators import MILLION, OperatorSearchTask, build_supernet_recognizer
from autostr_nni.training.records import (
    ARCHITECTURE,
    PROBABILITIES,
    RECIPE,
    RESULT,
    read_metrics,
    read_result,
    write_lines,
)
from autostr_nni.training.tasks import RecognitionTask
from autostr_nni.training.team import ALONE, Team
from autostr_nni.training.tensorboard import logged

T = TypeVar("T")
STEPS = ("path", "operators", "train")


def run_proposal(
    parameters: Mapping[str, Any], recipe: Recipe, folder: Path, report: Report
) -> dict[str, Any]:
    """Run one trial in ``folder``; continue it, or return its result, if it was begun or done before.

    Args:
        parameters: ``step`` ("path", "operators" or "train"), ``stride_path``, and for "train" ``op_01`` ...
        report: called with the metrics of each epoch and False, then with the final ones and True.

    Returns:
        The final metrics: ``default`` (word accuracy on validation, 0 to 1), ``loss``, ``flops_m``,
        ``params_m`` and more; "operators" adds ``architecture``; "train" adds ``test`` in result.json.

    Raises:
        InputError: the proposal is not one of the recipe's space, or its data cannot be used.
        TrainingFailed: training diverged, or did not fit into memory.
    """
    done = read_result(folder)
    if done is not None:
        report(done["metrics"], True)
        metrics: dict[str, Any] = done["metrics"]
        return metrics
    folder.mkdir(parents=True, exist_ok=True)
    report = logged(report, recipe, folder)
    prepare_torch(recipe)
    with keeping_decoded(recipe.data.keep_decoded_mb << 20):
        result = _run_step(parameters, recipe, folder, report)
    write_atomic(folder / RESULT, json.dumps({"parameters": dict(parameters), **result}, indent=1))
    forget_previous(folder)
    final: dict[str, Any] = result["metrics"]
    report(final, True)
    return final


def _run_step(parameters: Mapping[str, Any], recipe: Recipe, folder: Path, report: Report) -> dict[str, Any]:
    """What a trial leaves in its result besides the parameters."""
    space = recipe.space()
    step = parameters.get("step")
    if step == "path":
        path = StridePath.parse(str(parameters["stride_path"]), space.stage_layers)
        architecture = space.default_architecture(path, recipe.search.path.default_operation)
        options = recipe.search.path
        budget = (options.epochs, options.epoch_images, options.max_length)
        work = partial(train_alone, architecture, space, recipe, folder, *budget)
        on_devices(work, recipe, report)
        return {"metrics": read_metrics(folder)[-1]}
    if step == "operators":
        path = StridePath.parse(str(parameters["stride_path"]), space.stage_layers)
        search = partial(search_operators, path, space, recipe, folder)
        with restored_threads():
            final, probabilities = on_devices(search, recipe, report, recipe.search.operators.batch_size)
        return {"metrics": final, "probabilities": probabilities}
    if step == "train":
        architecture = Architecture.from_parameters(parameters, space)
        return train_fully(architecture, space, recipe, folder, report)
    raise InputError(f"step: {step!r} is no step of a search, which are {', '.join(STEPS)}")


def prepare_torch(recipe: Recipe, team: Team = ALONE, threads: int | None = None) -> None:
    """Seed torch's global generator, which all weights come from; set this process's threads and memory.

    ``threads`` stands in for those of the recipe's training.
    """
    keep_freed_memory()
    threads = threads or recipe.training.threads
    if threads is not None or team.size > 1:
        torch.set_num_threads(max(1, (threads or torch.get_num_threads()) // team.size))
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(recipe.seed)


@contextmanager
def restored_threads() -> Iterator[None]:
    """Whatever number of threads is set within, the process's next trial finds the one of before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fixed_metrics(architecture: Architecture, space: SearchSpace) -> dict[str, float]:
    """Cost of the backbone; the last two figures vary only in the operator search."""
    cost = total(backbone_costs(architecture, space))
    flops = cost.macs / MILLION
    return {
        "flops_m": flops,
        "params_m": cost.params / MILLION,
        "expected_flops_m": flops,
        "entropy": 0.0,
    }


def on_devices(work: Work[T], recipe: Recipe, report: Report, batch_size: int | None = None) -> T:
    """Run ``work`` on the recipe's devices; ``batch_size`` is that of the operator search if it has its own.

    Raises:
        InputError: the devices are not there, or are too many for a batch.
        OutOfMemory: memory ran out.
    """
    key = "search.operators.batch_size" if batch_size else "training.batch_size"
    batch_size = batch_size or recipe.training.batch_size
    size, on_gpu = devices_of(recipe.training)
    if size > batch_size:
        raise InputError(f"training.devices: {size} devices cannot share a batch of {key}: {batch_size}")
    with memory_told(key, batch_size):
        return run_in_team(work, size, on_gpu, report)


def train_alone(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    epochs: int,
    epoch_images: int | None,
    max_length: int | None = None,
    full: bool = False,
    init: Path | str | None = None,
    *,
    team: Team,
    report: Report,
) -> None:
    """Train one architecture; ``full`` follows the schedules of rate and words and keeps the best net."""
    prepare_torch(recipe, team)
    training = open_set(recipe, recipe.data.train, max_length=max_length)
    validation = open_set(recipe, recipe.data.validation, recipe.data.validation_limit, max_length)
    for dataset in (training, validation):
        print(dataset.report(), flush=True)
    short = recipe.training.short_words
    short_training = None
    if full and short.epochs:
        short_training = open_set(recipe, recipe.data.train, max_length=short.max_length)
    recognizer = build_recognizer(architecture, space, recipe.model, training.charset.classes)
    if init is not None:
        load_weights(recognizer, Path(init))
    if team.leads:
        write_atomic(folder / ARCHITECTURE, architecture.to_json(space))
    sets = (training, validation, epoch_images, full, short_training)
    task = RecognitionTask(recognizer, recipe, *sets, team)

    def save_best(metrics: dict[str, Any]) -> None:
        save_trained(folder / BEST, Trained(recognizer, recipe, architecture, space, metrics))

    callback = EpochEnd(
        folder,
        fixed_metrics(architecture, space),
        report,
        save_best if full else None,
        recipe.training.patience if full else None,
    )
    fit(task, recipe.training, epochs, folder, callback)


def train_fully(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    report: Report,
    init: Path | str | None = None,
) -> dict[str, Any]:
    """Step 3: train by the recipe's ``training``, choose the epoch on validation, score the test sets."""
    options = recipe.training
    budget = (options.epochs, options.epoch_images, None)
    work = partial(train_alone, architecture, space, recipe, folder, *budget, full=True, init=init)
    on_devices(work, recipe, report)
    final = best_epoch(read_metrics(folder))
    assert final is not None
    result: dict[str, Any] = {"metrics": final, "architecture": architecture.text}
    if recipe.data.test:
        device = None if options.device == "auto" else options.device
        best = load_trained(folder / BEST, pick_device(device))
        result["test"] = evaluate_sets(best.recognizer, recipe, recipe.data.test)
    return result


def train_architecture(
    architecture: Architecture,
    space: SearchSpace,
    recipe: Recipe,
    folder: Path,
    report: Report,
    init: Path | str | None = None,
) -> dict[str, Any]:
    """Train an architecture outside a search, from scratch or from ``init``'s weights; its result.

    Run again in the same folder it goes on from the last epoch, also towards more epochs than before.

    Raises:
        InputError: the folder holds another architecture's training.
    """
    known = folder / ARCHITECTURE
    if known.exists() and known.read_text(encoding="utf-8") != architecture.to_json(space):
        raise InputError(f"{folder}: holds the training of another architecture; give another folder")
    prepare_torch(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / RECIPE, json.dumps(recipe.model_dump(mode="json"), indent=1))
    report = logged(report, recipe, folder)
    with keeping_decoded(recipe.data.keep_decoded_mb << 20):
        result = train_fully(architecture, space, recipe, folder, report, init)
    write_atomic(folder / RESULT, json.dumps(result, indent=1))
    forget_previous(folder)
    return result


def search_operators(
    path: StridePath, space: SearchSpace, recipe: Recipe, folder: Path, *, team: Team, report: Report
) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Step 2 on one path: the final metrics with the architecture found, and the probabilities."""
    prepare_torch(recipe, team, recipe.search.operators.threads)
    longest = recipe.search.operators.max_length
    training = open_set(recipe, recipe.data.train, max_length=longest)
    arch_validation = open_set(recipe, recipe.data.validation, max_length=longest)
    validation = open_set(recipe, recipe.data.validation, recipe.data.validation_limit, longest)
    print(training.report(), arch_validation.report(), sep="\n", flush=True)
    classes = Charset.named(recipe.data.charset).classes
    recognizer, supernet = build_supernet_recognizer(path, space, recipe, classes)
    sets = (training, validation, arch_validation)
    task = OperatorSearchTask(recognizer, supernet, space, recipe, *sets, team)
    callback = SearchEpochEnd(folder, {}, report)
    epochs = recipe.search.operators.warmup_epochs + recipe.search.operators.epochs
    fit(task, recipe.training, epochs, folder, callback)
    architecture = task.architecture()
    if team.leads:
        write_atomic(folder / ARCHITECTURE, architecture.to_json(space))
    fixed = fixed_metrics(architecture, space)
    last = callback.lines[-1]
    costs = {key: fixed[key] for key in ("flops_m", "params_m")}
    return {**last, **costs, "architecture": architecture.text}, task.probabilities()


class SearchEpochEnd(EpochEnd):
    """Reports the cost of the architecture that is the most probable now, and records all probabilities."""

    def __init__(self, folder: Path, fixed: dict[str, float], report: Report) -> None:
        super().__init__(folder, fixed, report)
        self.probabilities: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "probabilities": self.probabilities}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.probabilities = list(state_dict.get("probabilities", []))

    def metrics(self, task: Any) -> dict[str, Any]:
        self.fixed = fixed_metrics(task.architecture_of(task.arch.most_probable()), task.space)
        self.probabilities.append({"epoch": task.current_epoch, "layers": task.probabilities()})
        if task.team.leads:
            write_lines(self.folder / PROBABILITIES, self.probabilities)
        return super().metrics(task)
