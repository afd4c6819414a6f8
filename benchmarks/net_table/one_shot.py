"""How the one-shot supernet ranks the nets of the table: trained on the table's task, scored net by net.

    python -m benchmarks.net_table.one_shot [--cost 5] [--alone 0.2] [--opened 0.6] [--out FILE]

The supernet sees as many images as ``--cost`` nets of the table. Prints Kendall's tau of its validation
losses, with BatchNorm recalibrated for each net, against the nets' test accuracy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from autostr_nni.models.recognizer import Recognizer
from autostr_nni.reading.evaluation import Reader
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.supernet.fair_draws import FairDraws
from autostr_nni.supernet.one_shot import OneShotSupernet
from autostr_nni.supernet.recalibration import recalibrate
from autostr_nni.training.one_shot.supernet_task import falling
from autostr_nni.training.optimizing.optimizers import build_optimizer
from autostr_nni.training.optimizing.rates import set_rate
from benchmarks.net_table import rows as table
from benchmarks.net_table.training import BUDGET, recipe, train_batch, words

RECALIBRATION = 640  # images
DRAWS = 1000


def train(cost: float, alone: float, opened: float, seed: int = 0) -> tuple[Recognizer, OneShotSupernet]:
    """The supernet after as many images as so many nets; ``alone`` and ``opened`` are shares of steps."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    options, space = recipe(), recipe().space()
    images, targets, _, dataset = words("train")
    supernet = OneShotSupernet(space)
    net = Recognizer(supernet, dataset.charset.classes, options.model)
    optimizer = build_optimizer(net.parameters(), options.training.optimizer)
    size = options.training.batch_size
    per_pass = BUDGET // size
    steps = round(cost * per_pass)
    draws = FairDraws(
        space, seed, options.search.operators.budget, round(alone * steps), round(opened * steps)
    )
    losses, started = [], time.process_time()
    for step in range(steps):
        turn, place = divmod(step, per_pass)
        if place == 0:
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed + turn))
            losses = []
        set_rate(optimizer, options.training.optimizer.lr * falling(step, steps))
        chosen = order[place * size : (place + 1) * size]
        supernet.choose(draws.at(step))
        losses.append(train_batch(net, images[chosen], targets[chosen], optimizer))
        if place + 1 in (per_pass // 2, per_pass):
            spent = time.process_time() - started
            print(
                f"{(step + 1) * size} images, loss {np.mean(losses):.3f}, {spent:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            losses = []
    return net, supernet


def score(net: Recognizer, supernet: OneShotSupernet, text: str, count: int) -> dict[str, float]:
    """Validation loss and accuracy of a net on the supernet's weights."""
    images, _, _, _ = words("train")
    pixels, targets, texts, dataset = words("validation")
    supernet.choose(Architecture.parse(text, recipe().space()))
    recalibrate(net, images[:RECALIBRATION].split(recipe().training.batch_size))
    reader = Reader(net.eval(), dataset.charset, recipe().data.max_length)
    for start in range(0, count, 200):
        part = slice(start, min(start + 200, count))
        reader.add_words(pixels[part], targets[part], texts[part])
    found = reader.result({})
    return {"loss": round(found.loss, 4), "word_accuracy": round(found.scores.word_accuracy, 4)}


def tau(losses: list[float], accuracies: list[float]) -> str:
    """Kendall's tau of low losses with high accuracies, and its 95 % interval over nets drawn anew."""
    values = np.array([(-loss, accuracy) for loss, accuracy in zip(losses, accuracies, strict=True)])
    rng = np.random.default_rng(0)
    drawn = [values[rng.integers(0, len(values), len(values))] for _ in range(DRAWS)]
    low, high = np.nanpercentile([kendalltau(d[:, 0], d[:, 1]).statistic for d in drawn], [2.5, 97.5])
    return f"{kendalltau(values[:, 0], values[:, 1]).statistic:.2f} ({low:.2f} to {high:.2f})"


def main() -> int:
    """Train, score and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.net_table.one_shot")
    parser.add_argument("--cost", type=float, default=5, help="images, in nets of the table (5)")
    parser.add_argument("--alone", type=float, default=0.2, help="share of steps of one net alone (0.2)")
    parser.add_argument("--opened", type=float, default=0.6, help="share after which draws are fair (0.6)")
    parser.add_argument(
        "--words", type=int, default=1000, help="validation words that a net is scored by (1000)"
    )
    parser.add_argument("--rows", type=Path, default=table.TABLE)
    parser.add_argument("--out", type=Path, help="a file for the score of every net")
    args = parser.parse_args()
    nets: list[dict[str, Any]] = [row for row in table.load(args.rows) if row["seed"] == 0]
    net, supernet = train(args.cost, args.alone, args.opened)
    started = time.process_time()
    scores = [score(net, supernet, row["architecture"], args.words) for row in nets]
    spent = time.process_time() - started
    print(f"{len(nets)} nets scored in {spent:.0f} s", file=sys.stderr)
    if args.out:
        lines = [
            {"architecture": row["architecture"], **found} for row, found in zip(nets, scores, strict=True)
        ]
        args.out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for group in sorted({row["group"] for row in nets}):
        mine = [place for place, row in enumerate(nets) if row["group"] == group]
        losses, tests = [scores[n]["loss"] for n in mine], [nets[n]["test"] for n in mine]
        spread = f"losses {min(losses):.2f} to {max(losses):.2f}, mean {np.mean(losses):.2f}"
        print(f"{group}: {len(mine)} nets, tau {tau(losses, tests)}, {spread}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
