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
kept in the process, as our trials have it (`autostr_nni.allocation`), for all contenders alike.

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
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autostr_nni.allocation import keep_freed_memory
from autostr_nni.models.backbone import Backbone
from autostr_nni.models.operations import MBConv
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, cost_table, stem_cost, total
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.architecture_parameters import ArchitectureParameters
from autostr_nni.strategies.architecture_step import architecture_step
from autostr_nni.strategies.supernet import Supernet
from autostr_nni.training.flat_adadelta import FlatAdadelta

SPACE = SearchSpace()
PATH = StridePath.parse("ABABB", SPACE.stage_layers)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONTENDERS = ("plain", "weight", "arch", "nni_weight", "nni_arch", "nni_cl_weight", "nni_cl_arch")


def precision() -> AbstractContextManager[None]:
    """bfloat16 on a GPU, else float32 throughout."""
    return torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda")


def weight_optimizer(parameters: Any) -> torch.optim.Optimizer:
    """The optimizer of the weights, as trials have it."""
    return FlatAdadelta(parameters)


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


class PlainBlock(nn.Module):
    """An MBConv's own layers, run one after another by torch alone."""

    def __init__(self, block: MBConv) -> None:
        super().__init__()
        self.body, self.residual = block.body, block.residual

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + out if self.residual else out


def plain(blocks: nn.ModuleList) -> list[nn.Module]:
    """The blocks without our fused mathematics."""
    return [PlainBlock(block) if isinstance(block, MBConv) else block for block in blocks]


class Ours:
    """Our supernet with its architecture parameters."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.net = Supernet(PATH, SPACE).to(DEVICE, memory_format=torch.channels_last)
        table = cost_table(PATH, SPACE)
        macs = [
            [costs[n].macs for n in block.names]
            for block, costs in zip(self.net.choice_blocks, table, strict=True)
        ]
        self.arch = ArchitectureParameters(macs, stem_cost(SPACE).macs).to(DEVICE)
        self.optimizer = weight_optimizer(self.net.parameters())
        self.arch_optimizer = torch.optim.Adam(self.arch.parameters(), lr=1e-3, betas=(0.0, 0.999))

    def choose(self, indices: list[int]) -> None:
        self.net.choose(indices)

    def loss(self) -> Tensor:
        with precision():
            return self.net(self.images).float().square().mean()

    def weight_step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        self.optimizer.step()

    def arch_step(self) -> None:
        self.arch_optimizer.zero_grad(set_to_none=True)
        architecture_step(self.net, self.net, self.arch, self.loss, g=450e6, beta=0.6)
        self.arch_optimizer.step()


class Plain:
    """Floor (b): nothing but the sampled operations."""

    def __init__(self, images: Tensor, architecture: Architecture) -> None:
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.net = Backbone(architecture, SPACE).to(memory_format=torch.channels_last)
        self.net.blocks = nn.ModuleList(plain(self.net.blocks))
        self.net.to(DEVICE)
        self.optimizer = weight_optimizer(self.net.parameters())

    def weight_step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with precision():
            loss = self.net(self.images).float().square().mean()
        loss.backward()
        self.optimizer.step()


class NniProxyless:
    """NNI 3.0's own ProxylessNAS layers over the same plain blocks, as its strategy runs them."""

    def __init__(self, images: Tensor, memory_format: torch.memory_format) -> None:
        from nni.mutable.frozen import frozen_context
        from nni.nas.oneshot.pytorch.supermodule.proxyless import ProxylessMixedLayer

        self.images = images.contiguous(memory_format=memory_format)
        source = Supernet(PATH, SPACE).to(DEVICE, memory_format=memory_format)
        layers = []
        for number, block in enumerate(source.choice_blocks):
            alpha = nn.Parameter(torch.randn(len(block.names), device=DEVICE) * 1e-3)
            names = [str(i) for i in range(len(block.names))]
            candidates = plain(block.operations)
            with frozen_context({f"layer{number}": names[0]}):
                layer = ProxylessMixedLayer(
                    dict(zip(names, candidates, strict=True)), alpha, nn.Softmax(-1), f"layer{number}"
                )
            layers.append(layer)
        self.net = nn.Sequential(source.stem, *layers)
        self.layers = layers
        alphas = {id(layer._arch_alpha) for layer in layers}
        self.optimizer = weight_optimizer([p for p in self.net.parameters() if id(p) not in alphas])
        self.arch_optimizer = torch.optim.Adam([layer._arch_alpha for layer in layers], lr=1e-3)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        for layer in self.layers:
            layer.resample({})
        optimizer.zero_grad(set_to_none=True)
        with precision():
            loss = self.net(self.images).float().square().mean()
        loss.backward()
        optimizer.step()


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
