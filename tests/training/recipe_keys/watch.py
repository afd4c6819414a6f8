"""What a trial really does with its recipe: its nets, steps, words and rates, watched from beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.reading.evaluation import Reader
from autostr_nni.recipe import Recipe
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.training import one_net, operator_search, run_trial
from autostr_nni.training.one_shot import supernet_training
from autostr_nni.training.operator_task import OperatorSearchTask
from autostr_nni.training.tasks import ReadingTask

# Words of D_tra end with 0, those of D_val with 1 and those to be tested with 2; of one to four characters.
TEXTS = ["", "", "", "", "1", "2", "3", "1", "2", "3", "11", "12", "13", "21", "111", "121", "131", "211"]
LAST = {"train": "0", "validation": "1", "test": "2"}


def write_sets(folder: Path) -> Path:
    """Three sets of noise, whose words tell which set they are of."""
    rng = np.random.default_rng(0)
    for name, last in LAST.items():
        words = []
        for text in TEXTS:
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (12, 30, 3), np.uint8)).save(file, "PNG")
            words.append((file.getvalue(), text + last))
        write_lmdb(folder / name, words)
    return folder


class Step(NamedTuple):
    """One step of the weights or of the architecture parameters."""

    epoch: int
    texts: list[str]
    image: tuple[int, int]
    rate: float
    norm: float  # of the gradient that the weights were moved by
    drawn: tuple[int, ...]
    before: int  # steps of the weights before this one


@dataclass
class Seen:
    """A trial that has run through."""

    recipe: Recipe
    folder: Path
    task: Any = None
    epochs: int = 0
    threads: list[int] = field(default_factory=list)  # as they are asked for, up to the training
    stem: Any = None  # its weights as they start
    alphas: list[torch.Tensor] = field(default_factory=list)  # as they start
    weights: list[Step] = field(default_factory=list)
    architecture: list[Step] = field(default_factory=list)
    regularised: set[tuple[float, float]] = field(default_factory=set)  # G and beta
    readers: list[Reader] = field(default_factory=list)
    read: list[list[str]] = field(default_factory=list)  # validation words, batch by batch
    minutes: set[float | None] = field(default_factory=set)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return read_metrics(self.folder)

    @property
    def result(self) -> dict[str, Any]:
        found = read_result(self.folder)
        assert found
        return found

    @property
    def recognizer(self) -> Any:
        return self.task.recognizer

    def optimizer(self, number: int = 0) -> Any:
        return self.task.trainer.optimizers[number]

    def words(self, epoch: int) -> list[str]:
        """The words of an epoch's weight steps, in order."""
        return [text for step in self.weights if step.epoch == epoch for text in step.texts]

    def shapes(self) -> list[tuple[int, ...]]:
        """What stem and layers give for an image of the recipe's size."""
        x = torch.zeros(2, 3, *self.recipe.model.image)
        found = []
        backbone = self.recognizer.backbone.eval()
        for block in (backbone.stem, *backbone.blocks):
            x = block(x)
            found.append(tuple(x.shape[1:]))
        return found


def texts_of(words: WordDataset) -> list[str]:
    """The words of a set that training has closed, which is left closed."""
    with closing(words):
        return [words.text(index) for index in range(len(words))]


def watched(recipe: Recipe, parameters: dict[str, str], folder: Path) -> Seen:
    """Run a trial and tell what it did."""
    seen = Seen(recipe, folder)
    with watching(seen):
        run_trial.run_proposal(parameters, recipe, folder, lambda metrics, final: None)
    return seen


@contextmanager
def watching(seen: Seen) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fit = one_net.fit
        weight, arch = ReadingTask.weight_step, OperatorSearchTask.arch_step
        regulariser, add = ArchitectureParameters.regulariser, Reader.add
        set_threads = torch.set_num_threads

        def watched_fit(task: Any, training: Any, epochs: int, folder: Path, callback: Any) -> None:
            seen.task, seen.epochs = task, epochs
            seen.stem = task.recognizer.backbone.stem.conv.weight.detach().clone()
            if isinstance(task, OperatorSearchTask):
                seen.alphas = [alpha.detach().clone() for alpha in task.arch.alphas]
            patch.setattr(torch, "set_num_threads", set_threads)
            fit(task, training, epochs, folder, callback)
            seen.minutes = {getattr(c, "minutes", None) for c in task.trainer.callbacks} - {None}
            patch.setattr(Reader, "add", add)  # test words are another matter

        def step_of(task: Any, batch: Any, optimizer: Any) -> Step:
            blocks = getattr(getattr(task, "supernet", None), "choice_blocks", [])
            norms = [p.grad.norm() for p in task.recognizer.parameters() if p.grad is not None]
            norm = float(torch.stack(norms).norm()) if norms else 0.0
            rate = optimizer.param_groups[0]["lr"]
            size = tuple(batch.images.shape[2:])
            drawn = tuple(block.active for block in blocks)
            return Step(task.current_epoch, batch.texts, size, rate, norm, drawn, len(seen.weights))

        def watched_weight(task: Any, batch: Any) -> None:
            weight(task, batch)
            seen.weights.append(step_of(task, batch, task.trainer.optimizers[0]))

        def watched_arch(task: Any, batch: Any) -> None:
            arch(task, batch)
            seen.architecture.append(step_of(task, batch, task.trainer.optimizers[1]))

        def watched_regulariser(arch: Any, g: float, beta: float) -> torch.Tensor:
            seen.regularised.add((g, beta))
            return regulariser(arch, g, beta)

        def watched_add(reader: Reader, batch: Any) -> None:
            seen.readers.append(reader)
            seen.read.append(batch.texts)
            add(reader, batch)

        patch.setattr("autostr_nni.system.threads.usable_cores", lambda: 64)
        patch.setattr(torch, "set_num_threads", seen.threads.append)  # more are slow on a busy machine
        patch.setattr(one_net, "fit", watched_fit)
        patch.setattr(operator_search, "fit", watched_fit)
        patch.setattr(supernet_training, "fit", watched_fit)
        patch.setattr(ReadingTask, "weight_step", watched_weight)
        patch.setattr(OperatorSearchTask, "arch_step", watched_arch)
        patch.setattr(ArchitectureParameters, "regulariser", watched_regulariser)
        patch.setattr(Reader, "add", watched_add)
        yield
