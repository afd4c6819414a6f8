"""The whole recognizer's training step beside the sum of its parts alone, and where its time goes.

    python benchmarks/train_step.py [--runs 7] [--threads N] [--json]

Two nets: autostr-iiit5k with rectifier at the paper's sizes (batch 16, 64x256), and one of the size of
examples/real_words (batch 32, 32x100). Words have 8 characters and their end. Each part runs alone, forward
and backward, on tensors of the shape and memory format that it gets within the net: the sum of these is the
floor. "plain decoder" is the same decoder with one step of autograd per character. Whole and parts take
turns; medians of all runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autostr_nni.models.recognizer import (
    Recognizer,
    build_recognizer,
    input_size,
    normalise,
)
from autostr_nni.models.translator import recognition_loss
from autostr_nni.recipe import load_recipe
from autostr_nni.recipe.model import ModelSection
from autostr_nni.recipe.training import OptimizerSection
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.training.optimizing.optimizers import build_optimizer

REAL_WORDS = Path(__file__).parents[1] / "examples" / "real_words" / "recipe.yml#scene"
LENGTH = 8


def nets() -> dict[str, tuple[Recognizer, int, tuple[int, int]]]:
    """Name: recognizer, batch and image size."""
    space, model = SearchSpace(), ModelSection()
    large = build_recognizer(lookup("autostr-iiit5k")[0], space, model, 95)
    recipe = load_recipe(REAL_WORDS)
    architecture = recipe.space().default_architecture(recipe.space().typical_paths()[1], "k5e3")
    small = build_recognizer(architecture, recipe.space(), recipe.model, 37)
    return {
        "autostr-iiit5k with rectifier, batch 16": (large, 16, input_size(model)),
        "size of real_words, batch 32": (small, 32, input_size(recipe.model)),
    }


def plain_decoder(net: Recognizer, features: Tensor, targets: Tensor) -> Tensor:
    """Teacher forcing with one step of autograd per character."""
    symbol, state, projected = net.decoder.start(features)
    states = []
    for target in targets.unbind(1):
        state, _ = net.decoder.step(symbol, state, features, projected)
        states.append(state)
        symbol = target.clamp_min(0)
    logits: Tensor = net.decoder.classify(torch.stack(states, 1))
    return logits


class Parts:
    """A recognizer taken apart; each part has an input of its own."""

    def __init__(self, net: Recognizer, batch: int, size: tuple[int, int], charset: int) -> None:
        self.net = net.train()
        self.images = torch.randint(0, 256, (batch, *size, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
        self.targets = torch.randint(0, charset, (batch, LENGTH + 1))
        self.targets[:, -1] = charset
        with torch.no_grad():
            pixels = normalise(self.images)
            rectified = net.rectifier(pixels)
            sequence = net.backbone(rectified)
            features = net.encoder(sequence)
        self.inputs = {"rectifier": pixels, "backbone": rectified, "BiLSTM": sequence, "decoder": features}
        self.optimizer = build_optimizer(net.parameters(), OptimizerSection())
        for _ in range(2):
            self.step()

    def step(self) -> None:
        """The whole: as a training does it."""
        self.optimizer.zero_grad(set_to_none=True)
        self.net.loss(self.images, self.targets).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()

    def part(self, name: str, run: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        """Seconds forward and backward of one part; the first one's input needs no gradient."""
        given = self.inputs[name].detach()
        given.requires_grad_(name != "rectifier" and not isinstance(self.net.rectifier, nn.Identity))
        if name in ("BiLSTM", "decoder"):
            given.requires_grad_()
        started = time.perf_counter()
        out = run(given)
        middle = time.perf_counter()
        out.backward(torch.ones_like(out))
        return middle - started, time.perf_counter() - middle

    def measure(self) -> dict[str, float]:
        """Seconds of the whole and of all its parts, once."""
        net = self.net
        found: dict[str, float] = {"whole step": timed(self.step)}
        found["clip"] = timed(lambda: nn.utils.clip_grad_norm_(net.parameters(), 5.0))
        found["optimizer"] = timed(self.optimizer.step)
        found["normalise"] = timed(lambda: normalise(self.images))
        net.zero_grad(set_to_none=True)
        parts: dict[str, Callable[[Tensor], Tensor]] = {
            "rectifier": net.rectifier,
            "backbone": net.backbone,
            "BiLSTM": net.encoder,
            "decoder": lambda x: recognition_loss(net.decoder(x, self.targets), self.targets),
        }
        if isinstance(net.rectifier, nn.Identity):
            del parts["rectifier"]
        for name, run in parts.items():
            found[f"{name} forward"], found[f"{name} backward"] = self.part(name, run)
        net.zero_grad(set_to_none=True)
        plain = self.part(
            "decoder", lambda x: recognition_loss(plain_decoder(net, x, self.targets), self.targets)
        )
        found["plain decoder forward"], found["plain decoder backward"] = plain
        net.zero_grad(set_to_none=True)
        return found


def timed(run: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(runs: int) -> dict[str, dict[str, float]]:
    """Medians in seconds, the sum of the parts, and the whole over it."""
    result = {}
    for name, (net, batch, size) in nets().items():
        torch.manual_seed(0)
        parts = Parts(net, batch, size, net.decoder.eos)
        parts.measure()
        rows = [parts.measure() for _ in range(runs)]
        median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        inside = [key for key in median if key != "whole step" and not key.startswith("plain")]
        median["sum of parts"] = statistics.median(sum(row[key] for key in inside) for row in rows)
        median["whole / sum of parts"] = statistics.median(
            row["whole step"] / sum(row[key] for key in inside) for row in rows
        )
        median["images per second"] = batch / median["whole step"]
        result[name] = median
    return result


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description="A training step beside the sum of its parts.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = measure(args.runs)
    if args.json:
        print(json.dumps({"threads": torch.get_num_threads(), "runs": args.runs, **result}, indent=2))
        return
    for name, values in result.items():
        print(f"{name}, {torch.get_num_threads()} threads")
        for key, value in values.items():
            unit = "" if "/" in key or "images" in key else " ms"
            print(f"  {key:<26}{value * (1000 if unit else 1):>10.2f}{unit}")


if __name__ == "__main__":
    main()
