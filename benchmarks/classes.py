"""What thousands of characters cost: a training step and reading, of attention and CTC, by classes.

    python benchmarks/classes.py [--batch 32]

Features of 25 steps are given; the decoder, its loss, the gradients and ADADELTA's step are timed, each case
in a process of its own, best of 5.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.translator import AttentionDecoder

CLASSES = (95, 6001)
STEPS, FEATURES, LENGTH = 25, 512, 8


def measure(kind: str, classes: int, batch: int) -> None:
    """One row of the table."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
    decoder = (
        CTCDecoder(FEATURES, classes) if kind == "ctc" else AttentionDecoder(FEATURES, classes, 512, 512, 512)
    )
    optimizer = torch.optim.Adadelta(decoder.parameters())
    features = torch.randn(batch, STEPS, FEATURES)
    targets = torch.randint(0, classes - 1, (batch, LENGTH))
    targets = torch.cat([targets, torch.full((batch, 1), classes - 1)], 1)

    def step() -> None:
        optimizer.zero_grad()
        decoder.loss(decoder(features, targets), targets).backward()
        optimizer.step()

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(6):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        return 1000 * min(times[1:])

    train = best(step)
    decoder.eval()
    read = best(lambda: decoder.greedy(features, LENGTH))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    weights = sum(p.numel() for p in decoder.parameters()) / 1e6
    print(
        f"| {kind} | {classes:,} | {weights:.2f} M | {train:.0f} ms | {read:.0f} ms | {peak:.0f} MB |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=32, help="images (32)")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        measure(args.case[0], int(args.case[1]), args.batch)
        return
    print("| translator | classes | weights | training step | reading | peak of the process |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for kind in ("attention", "ctc"):
        for classes in CLASSES:
            case = ["--batch", str(args.batch), "--case", kind, str(classes)]
            subprocess.run([sys.executable, __file__, *case], check=True)


if __name__ == "__main__":
    main()
