"""Weight step and architecture step of the supernet beside NNI's Proxyless and two floors, in one run.

    python benchmarks/search_step.py [--batch 16] [--runs 7] [--threads N] [--no-memory] [--json]

Backbone only, 32x100, full widths, on the path ABABB, float32; on a GPU batch 512 in bfloat16. The steps
alternate, so that a drift of the machine meets all of them alike; medians of times and of ratios are printed.
All contenders have the same optimizers. Floor (b) is a plain network of the sampled operations, nn modules
alone, in channels_last as ours; NNI's Proxyless runs the same plain blocks, in torch's own memory format, as
NNI leaves it, and in channels_last. Floor (c) is conv MACs x 2 x 3 over the measured rate of matrix products.

A search step of ours is a weight step and, on average, a fifth of an architecture step; one of NNI's strategy
is an architecture step and a weight step for every batch (`DartsLightningModule.training_step`). NNI's steps
are also put together in our proportion, which its strategy does not offer.

Everything is measured twice, each in a fresh process: as glibc allocates by itself, and with freed memory
kept in the process, as our trials have it (`autostr_nni.system.freed_memory`), for all contenders alike.

Peak memory is measured in fresh processes too, by `step_memory.py`, with 4, 7 and 14 candidates.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from contenders import DEVICE, PATH, SPACE, NniProxyless, Ours, Plain

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.system.freed_memory import keep_freed_memory

CONTENDERS = ("plain", "weight", "arch", "nni_weight", "nni_arch", "nni_cl_weight", "nni_cl_arch")


def timed(step: Callable[[], object]) -> float:
    """Seconds of one call."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def matrix_rate() -> float:
    """Floating-point operations per second of a large matrix product: the best of five."""
    size = 8192 if DEVICE == "cuda" else 2048
    a = torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16 if DEVICE == "cuda" else torch.float32)
    torch.mm(a, a)
    return 2 * size**3 / min(timed(lambda: torch.mm(a, a)) for _ in range(5))


class Race:
    """All contenders on one batch."""

    def __init__(self, batch: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng = random.Random(seed)
        self.batch = batch
        self.images = torch.randn(batch, 3, SPACE.height, SPACE.width).to(DEVICE)
        self.ours = Ours(self.images)
        self.nni = NniProxyless(self.images, torch.contiguous_format)
        self.nni_cl = NniProxyless(self.images, torch.channels_last)

    def run(self) -> tuple[dict[str, float], int]:
        """Seconds of one step of each, and the conv MACs per image of the operations that were drawn."""
        blocks = self.ours.net.choice_blocks
        indices = [self.rng.randrange(len(block.names)) for block in blocks]
        names = tuple(block.names[i] for block, i in zip(blocks, indices, strict=True))
        architecture = Architecture(PATH, names)
        plain = Plain(self.images, architecture)
        plain.weight_step()
        self.ours.choose(indices)
        nni, nni_cl = self.nni, self.nni_cl
        steps = (
            plain.weight_step,
            self.ours.weight_step,
            self.ours.arch_step,
            lambda: nni.step(nni.optimizer),
            lambda: nni.step(nni.arch_optimizer),
            lambda: nni_cl.step(nni_cl.optimizer),
            lambda: nni_cl.step(nni_cl.arch_optimizer),
        )
        times = {name: timed(step) for name, step in zip(CONTENDERS, steps, strict=True)}
        return times, total(backbone_costs(architecture, SPACE)).macs


def measure(race: Race, runs: int) -> dict[str, Any]:
    """Medians in seconds, and medians of ratios."""
    for _ in range(3):  # warm-up: until the memory that is kept has grown to all sizes
        race.run()
    samples = [race.run() for _ in range(runs)]
    rate = matrix_rate()
    times = {name: [sample[name] for sample, _ in samples] for name in CONTENDERS}
    times["arithmetic_floor"] = [macs * race.batch * 2 * 3 / rate for _, macs in samples]
    for who in ("", "nni_", "nni_cl_"):
        pairs = list(zip(times[f"{who}weight"], times[f"{who}arch"], strict=True))
        times[f"{who}average"] = [weight + arch / 5 for weight, arch in pairs]
        if who:
            times[f"{who}search"] = [weight + arch for weight, arch in pairs]

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    return {
        "matrix_gflops": rate / 1e9,
        "seconds": {name: statistics.median(values) for name, values in times.items()},
        "ratios": {
            "weight / plain (b)": ratio("weight", "plain"),
            "arch / plain (b)": ratio("arch", "plain"),
            "weight / arithmetic (c)": ratio("weight", "arithmetic_floor"),
            "NNI / ours, search step": ratio("nni_search", "average"),
            "NNI channels_last / ours, search step": ratio("nni_cl_search", "average"),
            "NNI / ours, at one architecture step in five": ratio("nni_average", "average"),
            "NNI channels_last / ours, at one in five": ratio("nni_cl_average", "average"),
        },
    }


def peak_memory(batch: int) -> dict[str, dict[str, float]]:
    """MiB of each kind of step with so many candidates, each in a fresh process."""
    script = Path(__file__).with_name("step_memory.py")
    found = {}
    for candidates in (4, 7, 14):
        command = [sys.executable, str(script), str(candidates), "--batch", str(batch)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[str(candidates)] = json.loads(done.stdout)
    return found


def in_fresh_process(kept: bool) -> dict[str, Any]:
    """`measure` as this command was asked to, with freed memory kept or not."""
    command = [sys.executable, *sys.argv, "--only", "kept" if kept else "by-itself"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    before, after = result["as allocated by itself"], result["freed memory kept"]
    lines = ["| | by itself | freed memory kept |", "| --- | --- | --- |"]
    for kind in ("seconds", "ratios"):
        for name, value in before[kind].items():
            lines.append(f"| {name}, {kind} | {value:.3f} | {after[kind][name]:.3f} |")
    lines.append(
        f"| matrix product, GFLOP/s | {before['matrix_gflops']:.0f} | {after['matrix_gflops']:.0f} |"
    )
    if memory := result.get("peak_mib"):
        lines += [
            "",
            "| candidates | weight step, MiB | architecture step, MiB | ratio |",
            "| --- | --- | --- | --- |",
        ]
        for candidates, peak in memory.items():
            w, a = peak["weight"], peak["arch"]
            lines.append(f"| {candidates} | {w:.0f} | {a:.0f} | {a / w:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description="Supernet steps beside NNI's Proxyless and two floors.")
    parser.add_argument("--batch", type=int, default=512 if DEVICE == "cuda" else 16)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("kept", "by-itself"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.only:
        if args.only == "kept":
            keep_freed_memory()
        print(json.dumps(measure(Race(args.batch, args.seed), args.runs)))
        return
    result: dict[str, Any] = {"device": DEVICE, "batch": args.batch, "runs": args.runs}
    result["threads"] = torch.get_num_threads()
    if not args.no_memory:
        result["peak_mib"] = peak_memory(args.batch)
    result["as allocated by itself"] = in_fresh_process(kept=False)
    result["freed memory kept"] = in_fresh_process(kept=True)
    print(json.dumps(result, indent=2) if args.json else table(result))


if __name__ == "__main__":
    main()
