"""An operator search that the processes of a team run in the tests; they import it by this name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from autostr_nni.models.translator import recognition_loss
from autostr_nni.reading.evaluation import open_set
from autostr_nni.recipe import Recipe
from autostr_nni.runs.figures import Report
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.training import operator_task
from autostr_nni.training.device_setup import prepare_torch
from autostr_nni.training.distributed.group import Team
from autostr_nni.training.loop import fit
from autostr_nni.training.operator_search import SearchEpochEnd


def operator_steps(
    recipe: Recipe, folder: Path, dtype: torch.dtype, *, team: Team, report: Report
) -> dict[str, Any]:
    """An operator search in ``dtype`` with its state after every epoch."""
    prepare_torch(recipe.seed, recipe.training.threads, team)
    space, options = recipe.space(), recipe.search.operators
    path = StridePath.parse("ABABB", space.stage_layers)
    training, validation = (open_set(recipe, s) for s in (recipe.data.train, recipe.data.validation))
    classes = training.charset.classes
    recognizer, supernet = operator_task.build_supernet_recognizer(path, space, recipe, classes)
    sets = (training, validation, validation)
    task = operator_task.OperatorSearchTask(recognizer, supernet, space, recipe, *sets, team)
    task.to(dtype)
    recognizer.loss = lambda images, targets: recognition_loss(  # not rounded to float32
        recognizer(images, targets), targets
    )
    states: list[Any] = []
    gradients: list[torch.Tensor] = []
    arch_step = task.arch_step

    def watched(batch: Any) -> None:
        arch_step(batch)
        gradients.append(torch.cat([alpha.grad for alpha in task.arch.alphas]))

    task.arch_step = watched

    def keep(metrics: dict[str, Any], final: bool) -> None:
        state = {key: value.detach().clone() for key, value in task.state_dict().items()}
        states.append((state, dict(metrics)))

    callback = SearchEpochEnd(folder, {}, keep)
    fit(task, recipe.training, options.warmup_epochs + options.epochs, folder, callback)
    draws = task.generator.get_state()
    sums = team.gathered({key: value.sum().item() for key, value in task.state_dict().items()})
    return {"states": states, "gradients": gradients, "generator": draws, "sums": sums}
