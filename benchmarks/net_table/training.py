"""Training of one net of the table, with its curve."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.targets import PADDING
from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.reading.evaluation import Reader, open_set
from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.training.optimizing.optimizers import build_optimizer
from benchmarks.net_table.nets import Entry

RECIPE = Path(__file__).with_name("recipe.yml")
BUDGET = 36_000  # images
POINTS = (BUDGET // 9, BUDGET // 6, BUDGET // 3, 2 * BUDGET // 3, BUDGET)


@cache
def recipe() -> Recipe:
    """The task's recipe."""
    return load_recipe(RECIPE)


@cache
def words(name: str) -> tuple[Tensor, Tensor, tuple[str, ...], WordDataset]:
    """A whole set in memory: images ``[N, 3, h, w]`` uint8, targets ``[N, L]``, texts, and the set."""
    data = recipe().data
    folders = {"train": data.train, "validation": data.validation, "test": list(data.test.values())}[name]
    dataset = open_set(recipe(), folders)
    parts = [
        dataset.batch(range(start, min(start + 500, len(dataset)))) for start in range(0, len(dataset), 500)
    ]
    length = max(part.targets.shape[1] for part in parts)
    targets = [F.pad(part.targets, (0, length - part.targets.shape[1]), value=PADDING) for part in parts]
    texts = tuple(text for part in parts for text in part.texts)
    return torch.cat([part.images for part in parts]), torch.cat(targets), texts, dataset


def row(entry: Entry) -> dict[str, Any]:
    """A net's row with the group that it is in the table for."""
    return {"group": entry.group, **train(entry.architecture, entry.seed)}


def train(architecture: Architecture, seed: int, budget: int | None = None) -> dict[str, Any]:
    """Train one net on one thread at a constant rate, each image once, in an order of the seed.

    Args:
        architecture, seed: what is trained.
        budget: images; None: as many as all nets of the table see.

    Returns:
        A row: ``architecture``, ``seed``, ``macs``, ``params``, ``seconds`` of processor time, ``curve``
        (``images``, ``training_loss`` since the last point, ``loss`` and ``word_accuracy`` on validation)
        and ``test``, the word accuracy on the test words at the end.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    options, space = recipe(), recipe().space()
    budget = budget or BUDGET
    images, targets, _, dataset = words("train")
    net = build_recognizer(architecture, space, options.model, dataset.charset.classes)
    optimizer = build_optimizer(net.parameters(), options.training.optimizer)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:budget]
    started, losses = time.process_time(), []
    curve: list[dict[str, float]] = []
    for start in range(0, budget, options.training.batch_size):
        chosen = order[start : start + options.training.batch_size]
        losses.append(train_batch(net, images[chosen], targets[chosen], optimizer))
        seen = start + len(chosen)
        if seen >= POINTS[len(curve)]:
            curve.append(
                {
                    "images": seen,
                    "training_loss": round(sum(losses) / len(losses), 4),
                    **scores(net, "validation"),
                }
            )
            losses = []
    cost = total(backbone_costs(architecture, space))
    return {
        "architecture": architecture.text,
        "seed": seed,
        "macs": cost.macs,
        "params": cost.params,
        "seconds": round(time.process_time() - started, 1),
        "curve": curve,
        "test": scores(net, "test")["word_accuracy"],
    }


def train_batch(net: Any, images: Tensor, targets: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """One training step by the recipe; the loss before it."""
    loss = net.train().loss(images, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), recipe().training.clip or float("inf"))
    optimizer.step()
    return float(loss.item())


def scores(net: Any, name: str) -> dict[str, float]:
    """Loss and word accuracy of a net on a set."""
    images, targets, texts, dataset = words(name)
    reader = Reader(folded(net), dataset.charset, recipe().data.max_length)
    for start in range(0, len(images), 200):
        part = slice(start, start + 200)
        reader.add_words(images[part], targets[part], texts[part])
    found = reader.result({})
    return {"loss": round(found.loss, 4), "word_accuracy": round(found.scores.word_accuracy, 4)}
