"""Peak memory of a weight step and of an architecture step, for a number of candidates per layer.

    python benchmarks/step_memory.py 4|7|14 [--batch 16]

Prints JSON: MiB above the process with the net built and the batch made. On CPU this is the highest resident
size during a step, which glibc's own way of returning large blocks makes exact; on a GPU torch's count. The
drawn operations are the same for every number of candidates: k3e6 in the wide layers, the largest there is.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import torch
from contenders import DEVICE, PATH, SPACE, Ours

from autostr_nni.models.operations import build_operation
from autostr_nni.search_spaces.counting import stem_cost
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters

NAMES = ("k3e6", "k5e6", "k3e3", "k3e1", "k5e1", "k5e3", "skip")
MIB = 2**20


def with_candidates(ours: Ours, count: int) -> None:
    """Give every layer so many candidates (one less where skip is not offered, two for 14)."""
    layers = zip(ours.net.choice_blocks, SPACE.layer_widths, PATH.strides, strict=True)
    blocks = ours.net.choice_blocks
    for block, (cin, cout), stride in layers:
        names = [(NAMES * 2)[i] for i in range(count)]
        offered = [n for n in names if n in block.names]
        candidates = {f"{n} {i}": build_operation(n, cin, cout, stride) for i, n in enumerate(offered)}
        for name in block.names:
            delattr(block, name)
        block.names = tuple(candidates)
        for name, candidate in candidates.items():
            block.add_module(name, candidate.to(DEVICE, memory_format=torch.channels_last))
    macs = [[1_000_000] * len(block.names) for block in blocks]
    ours.arch = ArchitectureParameters(macs, stem_cost(SPACE).macs).to(DEVICE)
    ours.optimizer = torch.optim.Adadelta(ours.net.parameters(), foreach=True)
    ours.arch_optimizer = torch.optim.Adam(ours.arch.parameters())
    ours.choose([0] * len(blocks))


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process in MiB."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(rf"{field}:\s+(\d+) kB", text)[0]) / 1024


def peak(step: Callable[[], None]) -> float:
    """MiB at the highest point of a step, of the whole process."""
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated() / MIB
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts again
    step()
    return resident("VmHWM")


def main() -> None:
    """Print the two peaks as JSON."""
    parser = argparse.ArgumentParser(description="Peak memory of the two kinds of step.")
    parser.add_argument("candidates", type=int, choices=(4, 7, 14))
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    torch.manual_seed(0)
    ours = Ours(torch.randn(args.batch, 3, SPACE.height, SPACE.width).to(DEVICE))
    with_candidates(ours, args.candidates)
    small = ours.images
    ours.images = small[:2].contiguous(memory_format=torch.channels_last)
    ours.weight_step()  # libraries and optimizer state are there before anything is counted
    ours.arch_step()
    ours.images = small
    base = torch.cuda.memory_allocated() / MIB if DEVICE == "cuda" else resident("VmRSS")
    steps = {"arch": ours.arch_step, "weight": ours.weight_step}
    print(json.dumps({name: peak(step) - base for name, step in steps.items()}))


if __name__ == "__main__":
    main()
