"""Step 2 from the data to the architecture that was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.reading.evaluation import open_set
from autostr_nni.recipe import Recipe
from autostr_nni.runs.doing import OPENS, PLANS, tell_doing
from autostr_nni.runs.figures import Figures, Report, figures
from autostr_nni.runs.layout import ARCHITECTURE, PROBABILITIES
from autostr_nni.runs.records import write_lines
from autostr_nni.search_spaces.counting import UNITS
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.files import write_atomic
from autostr_nni.training.batches import tell_mix
from autostr_nni.training.callbacks.epoch_end import EpochEnd
from autostr_nni.training.device_setup import prepare_torch, torch_device
from autostr_nni.training.distributed.group import Team
from autostr_nni.training.going_on.initial import Init, begin
from autostr_nni.training.loop import fit
from autostr_nni.training.one_net import fixed_metrics
from autostr_nni.training.operator_task import OperatorSearchTask, build_supernet_recognizer
from autostr_nni.training.planning import opened_while_planning


def search_operators(
    path: StridePath, space: SearchSpace, recipe: Recipe, folder: Path, *, team: Team, report: Report
) -> tuple[Figures, list[dict[str, float]]]:
    """Step 2 on one path: the final metrics with the architecture found, and the probabilities."""
    own = recipe.search.operators.threads
    key = "search.operators.threads" if own else "training.threads"
    prepare_torch(recipe.seed, own or recipe.training.threads, team, key)
    longest = recipe.search.operators.max_length
    classes = Charset.named(recipe.data.charset).classes
    recognizer, supernet = build_supernet_recognizer(path, space, recipe, classes)

    def open_sets() -> tuple[WordDataset, WordDataset, WordDataset]:
        training = open_set(recipe, recipe.data.train, max_length=longest)
        alpha = open_set(recipe, recipe.data.validation_for("alpha"), max_length=longest)
        limit = recipe.data.validation_limit
        return training, alpha, open_set(recipe, recipe.data.validation, limit, longest, once=True)

    if team.leads:
        tell_doing(folder, PLANS if torch_device(recipe.training).type == "cuda" else OPENS)
    training, arch_validation, validation = opened_while_planning(open_sets, recognizer, recipe, team)
    print(training.report(), arch_validation.report(), validation.report(), sep="\n", flush=True)
    tell_mix(training, recipe.search.operators.epoch_images)
    begin(recognizer, recipe, Init.of("search.init", recipe.search.init), folder, team)
    sets = (training, validation, arch_validation)
    task = OperatorSearchTask(recognizer, supernet, space, recipe, *sets, team)
    callback = SearchEpochEnd(folder, {}, report)
    epochs = recipe.search.operators.warmup_epochs + recipe.search.operators.epochs
    fit(task, recipe.training, epochs, folder, callback)
    architecture = task.architecture()
    if team.leads:
        write_atomic(folder / ARCHITECTURE, architecture.to_json(space))
    fixed = fixed_metrics(architecture, space, recipe.price)
    costs = {key: value for key, value in fixed.items() if key in UNITS}
    final = figures({**callback.lines[-1], **costs, "architecture": architecture.text})
    if recipe.search.operators.finalists > 1:
        final["finalists"] = " ".join(net.text for net in task.finalists())
    return final, task.probabilities()


class SearchEpochEnd(EpochEnd):
    """Reports the cost of the architecture that would be found now, and records all probabilities."""

    def __init__(self, folder: Path, fixed: Figures, report: Report) -> None:
        super().__init__(folder, fixed, report)
        self.probabilities: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "probabilities": self.probabilities}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.probabilities = list(state_dict.get("probabilities", []))

    def metrics(self, task: Any) -> Figures:
        self.fixed = fixed_metrics(task.architecture(), task.space, task.recipe.price)
        self.probabilities.append({"epoch": task.current_epoch, "layers": task.probabilities()})
        if task.team.leads:
            write_lines(self.folder / PROBABILITIES, self.probabilities)
        return super().metrics(task)
