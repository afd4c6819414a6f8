"""Training steps with and without augmentation, side by side.

    python -m benchmarks.images.augment [--runs 9]

The nets of train_step.py, with words of 8 characters whose images are there already: augmentation,
loss, backward, clipping and the optimizer's step. The three settings take turns; CPU time of one
thread, medians of all runs.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from autostr_nni.data.augment import Augmentation
from autostr_nni.recipe.augment import PRESETS, amounts
from autostr_nni.recipe.training import OptimizerSection
from autostr_nni.training.optimizing.optimizers import build_optimizer
from benchmarks.train_step import LENGTH, nets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, (net, batch, (height, width)) in nets().items():
        net.train()
        optimizer = build_optimizer(net.parameters(), OptimizerSection())
        coarse = torch.rand(batch, 3, height // 4, width // 4)
        images = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear").mul(255)
        images = images.to(torch.uint8).contiguous(memory_format=torch.channels_last)
        targets = torch.randint(0, net.decoder.classes - 1, (batch, LENGTH + 1))
        targets[:, -1] = net.decoder.eos
        times: dict[str, list[float]] = {preset: [] for preset in PRESETS}
        for run in range(options.runs + 1):
            for preset in PRESETS:
                changes = amounts(preset)
                started = time.process_time()
                seen = Augmentation(changes, 0)(images, 0, run) if changes else images
                optimizer.zero_grad(set_to_none=True)
                net.loss(seen, targets).backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
                optimizer.step()
                if run:
                    times[preset].append(time.process_time() - started)
        plain = statistics.median(times["none"])
        for preset, taken in times.items():
            middle = statistics.median(taken)
            rate = batch / middle
            print(f"{name}: {preset}: {1000 * middle:.0f} ms, {rate:.1f} images/s, x{middle / plain:.3f}")


if __name__ == "__main__":
    main()
