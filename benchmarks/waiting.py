"""What part of its time a training waits for batches, and what part a whole search does.

    python benchmarks/waiting.py [--words 4000] [--runs 7] [--steps 30] [--search] [--json]

Trainings at the sizes of two recipes, with the smallest net of each, which waits the most: loading in the
training process and in one loader process. All of a run's figures are taken in turn; medians of all runs.
`--search` runs the quickstart's two steps and training in this process, trial after trial, and adds up
over all of them (minutes).
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.data.loader import WordLoader, make_loader
from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.data.synth.produce import synthesize
from autostr_nni.inprocess.run import run_search
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.strategies import build
from autostr_nni.system.freed_memory import keep_freed_memory
from autostr_nni.training.optimizing.optimizers import build_optimizer

EXAMPLES = Path(__file__).parents[1] / "examples"


class Endless(Sampler[int]):
    """All words again and again, shuffled."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Iterator[int]:
        for turn in itertools.count():
            yield from np.random.default_rng(turn).permutation(self.length).tolist()


def training(recipe: Recipe, folder: Path, workers: int, steps: int) -> dict[str, float]:
    """Share of a training's time in which it waits for its next batch; the first batch is not counted."""
    torch.set_num_threads(recipe.training.threads or torch.get_num_threads())
    torch.manual_seed(recipe.seed)
    charset, space = Charset.named(recipe.data.charset), recipe.space()
    words = WordDataset(folder, charset, recipe.data.max_length, recipe.model.image)
    path = space.typical_paths()[1]
    architecture = space.default_architecture(path, "k3e1")
    net = build_recognizer(architecture, space, recipe.model, charset.classes)
    optimizer = build_optimizer(net.parameters(), recipe.training.optimizer)
    batches = iter(make_loader(words, recipe.training.batch_size, workers, Endless(len(words))))
    next(batches)
    waited, started = 0.0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        optimizer.zero_grad(set_to_none=True)
        net.loss(batch.images, batch.targets).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.training.clip or 1e9)
        optimizer.step()
    seconds = time.perf_counter() - started
    images = steps * recipe.training.batch_size
    return {"share of waiting": waited / seconds, "images per second": images / seconds}


def trainings(count: int, runs: int, steps: int) -> dict[str, dict[str, float]]:
    """Medians of `training` for two recipes, each with its own kind of words."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        words, numbers = Path(temporary, "words"), Path(temporary, "numbers")
        synthesize(words, count)
        synthesize(numbers, count, source="digits:2-3", style="mild", charset="digits", system_fonts=False)
        cases = list(
            itertools.product(
                (("quickstart/recipe.yml", numbers), ("real_words/recipe.yml#scene", words)), (0, 1)
            )
        )
        for _, ((example, folder), workers) in itertools.product(range(runs), cases):
            recipe = load_recipe(EXAMPLES / example)
            found.setdefault(f"{example}, {workers} workers", []).append(
                training(recipe, folder, workers, steps)
            )
    return {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }


class Timed:
    """All loaders of this process, timed: how long whoever takes batches has waited for them."""

    def __init__(self) -> None:
        self.waited, self.images, self.plain = 0.0, 0, WordLoader.__iter__

    def __call__(self, loader: WordLoader) -> Iterator[Batch]:
        batches = self.plain(loader)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                return
            self.images += len(batch.images)
            yield batch


def search() -> dict[str, Any]:
    """The quickstart, trial after trial: seconds of all trials and what part of them went into waiting.

    Validation's batches and the first batch of every epoch are counted too.
    """
    with tempfile.TemporaryDirectory() as temporary:
        example = Path(temporary, "quickstart")
        shutil.copytree(EXAMPLES / "quickstart", example, ignore=shutil.ignore_patterns("words"))
        recipe = load_recipe(example / "recipe.yml")
        prepare_data(recipe, lambda line: None)
        timed = Timed()
        WordLoader.__iter__ = lambda loader: timed(loader)  # type: ignore[method-assign, assignment]
        strategy = build("two-step", recipe)
        with redirect_stdout(sys.stderr):  # where trials tell of their words
            found = run_search(strategy, recipe, Path(temporary, "search"), log=lambda line: None)
        seconds = sum(trial.metrics["seconds"] for trial in strategy.trials if trial.metrics)
    return {
        "share of waiting": timed.waited / seconds,
        "seconds of trials": seconds,
        "seconds of waiting": timed.waited,
        "images loaded": timed.images,
        "architecture": found["best"]["architecture"],
    }


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description="Waiting of a training for its batches.")
    parser.add_argument("--words", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=30, help="training steps of one measurement")
    parser.add_argument("--search", action="store_true", help="a whole search instead")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    keep_freed_memory()
    found = {"search": search()} if args.search else trainings(args.words, args.runs, args.steps)
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for name, row in found.items():
        print(
            name,
            *(
                f"{key} {value:,.3f}" if isinstance(value, float) else f"{key} {value}"
                for key, value in row.items()
            ),
            sep="\n  ",
        )


if __name__ == "__main__":
    main()
