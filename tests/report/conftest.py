"""Searches that took no time: the in-process runner over trials whose figures are made up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autostr_nni import strategies
from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.runs.figures import Report

OPERATIONS = ("k3e1", "k5e3", "skip")
LAYERS = 6
# What random nets reach, by the order of their drawing; each sees 500 images an epoch, two epochs.
ACCURACIES = (0.2, 0.8, 0.5)
MACS = (1.0, 4.0, 2.0)
SPENT = 1000


def make_recipe(**changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "data": {"train": ["/words/a"], "validation": ["/words/b"]},
        "model": {
            "image": [32, 32],
            "stem_width": 8,
            "stage_widths": [8, 8, 8, 8, 8],
            "stage_layers": [2, 1, 1, 1, 1],
        },
        "search": {
            "path": {"paths": ["AABBB", "ABABB", "ABBAB"]},
            "random": {"count": 3},
            "operators": {"operations": list(OPERATIONS)},
        },
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        content[section] = {**content.get(section, {}), name: value} if name else value
    return recipe_from(content, Path("/"))


class Trainer:
    """Runs a trial in no time, leaving the files of a real one; fails those of ``failing``."""

    def __init__(self, failing: tuple[str, ...] = (), dying: str | None = None) -> None:
        self.failing, self.dying = failing, dying

    def __call__(
        self, parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Report
    ) -> dict[str, Any]:
        name, step = folder.name, parameters["step"]
        if name == self.dying:
            write_lines(folder / "metrics.jsonl", [line(0, 0.1, 3.0)])
            raise Killed
        if name in self.failing:
            raise RuntimeError("the training loss is nan")
        final = getattr(self, step)(parameters, folder)
        report(final, True)
        return dict(final)

    def path(self, parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        loss = {"AABBB": 3.0, "ABABB": 1.0, "ABBAB": 2.0}[parameters["stride_path"]]
        lines = [line(0, 0.1, loss + 1), line(1, 0.3, loss)]
        write_lines(folder / "metrics.jsonl", lines)
        return result(folder, parameters, lines[-1])

    def operators(self, parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        lines = [{**line(e, 0.1, 2.0), "entropy": 1.0 - e / 4, "expected_macs_m": 2.0 - e} for e in (0, 1)]
        write_lines(folder / "metrics.jsonl", lines)
        write_lines(folder / "probabilities.jsonl", [{"epoch": e, "layers": layers(e)} for e in (0, 1)])
        found = f"{parameters['stride_path']}:k3e1,skip,k5e3,k3e1,k5e3,k3e1"
        return result(folder, parameters, {**lines[-1], "architecture": found})

    def train(self, parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        place = (
            int(folder.name.removesuffix("-retry").removeprefix("random-")) - 1
            if "random" in folder.name
            else 1
        )
        best = {**line(1, ACCURACIES[place], 1.0), "macs_m": MACS[place], "params_m": MACS[place] / 10}
        write_lines(folder / "metrics.jsonl", [line(0, ACCURACIES[place] / 2, 2.0), best])
        test = {"words": 10, "correct": 8, "word_accuracy": 0.8, "one_minus_ned": 0.9}
        return result(folder, parameters, best, test={"real": test})


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def line(epoch: int, accuracy: float, loss: float) -> dict[str, Any]:
    """One epoch's metrics."""
    return {
        "default": accuracy,
        "loss": loss,
        "training_loss": loss - 0.5,
        "words": 50,
        "one_minus_ned": accuracy,
        "macs_m": 1.5,
        "params_m": 0.1,
        "entropy": 0.0,
        "expected_macs_m": 1.5,
        "epoch": epoch,
        "images_seen": 500 * (epoch + 1),
        "seconds": 5.0 * (epoch + 1),
    }


def layers(epoch: int) -> list[dict[str, float]]:
    """Probabilities of every layer, more decided with every epoch; layer 2 alone may be skip."""
    sure = 0.5 + 0.2 * epoch
    rest = 1 - sure
    one = {"k3e1": sure, "k5e3": rest}
    return [
        one if layer != 2 else {"k3e1": rest / 2, "k5e3": rest / 2, "skip": sure} for layer in range(1, 7)
    ]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(item) + "\n" for item in lines))


def result(
    folder: Path, parameters: Mapping[str, Any], metrics: dict[str, Any], **more: Any
) -> dict[str, Any]:
    content = {"parameters": dict(parameters), "metrics": metrics, **more}
    (folder / "result.json").write_text(json.dumps(content))
    return metrics


@pytest.fixture
def make_search(tmp_path: Path) -> Callable[..., Path]:
    """``make_search("random", "folder")`` runs a search; a ``dying`` trial leaves it stopped."""

    def make(strategy: str, name: str, trainer: Trainer | None = None, **changes: Any) -> Path:
        recipe = make_recipe(**changes)
        folder = tmp_path / "searches" / name
        search = strategies.build(strategy, recipe)
        with contextlib.suppress(Killed):
            run_search(search, recipe, folder, trainer or Trainer(), log=lambda text: None)
        return folder

    return make


@pytest.fixture
def trainer() -> type[Trainer]:
    """The class of made-up trainers."""
    return Trainer
