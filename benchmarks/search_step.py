"""Weight step and architecture step of the supernet beside NNI's Proxyless and two floors, in one run.

    python benchmarks/search_step.py [--batch 16] [--runs 7] [--threads N] [--json]

Backbone only, 32x100, full widths, float32, on the path ABABB. The steps alternate, so that a drift of the
machine meets all of them alike; medians and ratios are printed. Floor (b) is a plain network of the sampled
operations in the same memory format; floor (c) is conv MACs x 2 x 3 over the measured rate of matrix
products.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from autostr_nni.models.backbone import Backbone
from autostr_nni.models.operations import MBConv
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, cost_table, stem_cost, total
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.strategies.architecture_parameters import ArchitectureParameters
from autostr_nni.strategies.architecture_step import architecture_step
from autostr_nni.strategies.supernet import Supernet

SPACE = SearchSpace()
PATH = StridePath.parse("ABABB", SPACE.stage_layers)


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
    """Floating-point operations per second of a large float32 matrix product: the best of five."""
    a = torch.randn(2048, 2048)
    torch.mm(a, a)
    return 2 * 2048**3 / min(timed(lambda: torch.mm(a, a)) for _ in range(5))


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
        self.net = Supernet(PATH, SPACE).to(memory_format=torch.channels_last)
        table = cost_table(PATH, SPACE)
        macs = [
            [costs[n].macs for n in block.names]
            for block, costs in zip(self.net.choice_blocks, table, strict=True)
        ]
        self.arch = ArchitectureParameters(macs, stem_cost(SPACE).macs)
        self.optimizer = torch.optim.Adadelta(self.net.parameters())
        self.arch_optimizer = torch.optim.Adam(self.arch.parameters(), lr=1e-3, betas=(0.0, 0.999))

    def choose(self, indices: list[int]) -> None:
        self.net.choose(indices)

    def loss(self) -> Tensor:
        return self.net(self.images).square().mean()

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
        self.optimizer = torch.optim.Adadelta(self.net.parameters())

    def weight_step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.net(self.images).square().mean().backward()
        self.optimizer.step()


class NniProxyless:
    """NNI 3.0's own ProxylessNAS layers over the same blocks, as its strategy runs them."""

    def __init__(self, images: Tensor) -> None:
        from nni.mutable.frozen import frozen_context
        from nni.nas.oneshot.pytorch.supermodule.proxyless import ProxylessMixedLayer

        self.images = images
        source = Supernet(PATH, SPACE)
        layers = []
        for number, block in enumerate(source.choice_blocks):
            alpha = nn.Parameter(torch.randn(len(block.names)) * 1e-3)
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
        self.optimizer = torch.optim.Adadelta([p for p in self.net.parameters() if id(p) not in alphas])
        self.arch_optimizer = torch.optim.Adam([layer._arch_alpha for layer in layers], lr=1e-3)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        for layer in self.layers:
            layer.resample({})
        optimizer.zero_grad(set_to_none=True)
        self.net(self.images).square().mean().backward()
        optimizer.step()


def measure(batch: int, runs: int, seed: int) -> dict[str, object]:
    """Medians in seconds, and ratios of medians."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    images = torch.randn(batch, 3, SPACE.height, SPACE.width)
    ours, nni = Ours(images), NniProxyless(images)
    times: dict[str, list[float]] = {key: [] for key in ("weight", "arch", "plain", "nni_weight", "nni_arch")}
    macs = []
    for run in range(runs + 1):
        indices = [rng.randrange(len(block.names)) for block in ours.net.choice_blocks]
        names = tuple(block.names[i] for block, i in zip(ours.net.choice_blocks, indices, strict=True))
        architecture = Architecture(PATH, names)
        plain = Plain(images, architecture)
        plain.weight_step()
        ours.choose(indices)
        sample = {
            "plain": timed(plain.weight_step),
            "weight": timed(ours.weight_step),
            "arch": timed(ours.arch_step),
            "nni_weight": timed(lambda: nni.step(nni.optimizer)),
            "nni_arch": timed(lambda: nni.step(nni.arch_optimizer)),
        }
        if run:  # the first is a warm-up
            macs.append(total(backbone_costs(architecture, SPACE)).macs)
            for key, value in sample.items():
                times[key].append(value)
    rate = matrix_rate()
    floor = [m * batch * 2 * 3 / rate for m in macs]
    median = {key: statistics.median(values) for key, values in times.items()}

    def ratio(a: list[float], b: list[float]) -> float:
        return statistics.median(x / y for x, y in zip(a, b, strict=True))

    average = [w + a / 5 for w, a in zip(times["weight"], times["arch"], strict=True)]
    theirs = [w + a / 5 for w, a in zip(times["nni_weight"], times["nni_arch"], strict=True)]
    return {
        "batch": batch,
        "runs": runs,
        "threads": torch.get_num_threads(),
        "matrix_gflops": rate / 1e9,
        "seconds": {**median, "arithmetic_floor": statistics.median(floor)},
        "weight_over_plain": ratio(times["weight"], times["plain"]),
        "arch_over_plain": ratio(times["arch"], times["plain"]),
        "weight_over_arithmetic": ratio(times["weight"], floor),
        "nni_over_ours": ratio(theirs, average),
    }


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description="Supernet steps beside NNI's Proxyless and two floors.")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = measure(args.batch, args.runs, args.seed)
    if args.json:
        print(json.dumps(result, indent=2))
        return
    for key, value in result.items():
        items = value.items() if isinstance(value, dict) else [("", value)]
        for name, number in items:
            text = f"{number:.4g}" if isinstance(number, float) else str(number)
            print(f"{key} {name}".strip().ljust(28), text)


if __name__ == "__main__":
    main()
