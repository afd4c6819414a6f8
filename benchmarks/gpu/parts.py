"""Parts of `python -m benchmarks.gpu`: each gives numbers by name, times as medians in milliseconds."""

from __future__ import annotations

import copy
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from autostr_nni.models import attention_gru, depthwise
from autostr_nni.models.depthwise import DepthwiseConv
from autostr_nni.models.recognizer import Recognizer, normalise
from autostr_nni.models.translator import AttentionDecoder
from autostr_nni.recipe import Recipe
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.architecture_step import architecture_step
from autostr_nni.training.operator_task import build_parameters, build_supernet_recognizer
from autostr_nni.training.planning import plan_candidates
from benchmarks.gpu.nets import (
    CLASSES,
    DEVICE,
    NETS,
    Figures,
    batch_of,
    both_ways,
    milliseconds,
    net_of,
    plain,
    precision,
    recipe,
    step_of,
)


def measured(net: Recognizer, count: int, made: Recipe, bf16: bool) -> Figures:
    """Time, rate and memory of a training step."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = milliseconds(step_of(net, *batch_of(count, made), bf16), 8, 3)
    figures: Figures = {"ms": taken, "images/s": round(1000 * count / taken)}
    if DEVICE.type == "cuda":
        figures["GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return figures


def parts_of(net: Recognizer, count: int, made: Recipe, bf16: bool) -> Figures:
    """Forward and backward of each part on what it gets in the net."""
    images, targets = batch_of(count, made)
    with torch.no_grad(), precision(bf16):
        given = [normalise(images)]
        for part in (net.rectifier, net.backbone, net.encoder):
            given.append(part(given[-1]))
    runs: dict[str, Callable[[Tensor], Tensor]] = {
        "rectifier": net.rectifier,
        "backbone": net.backbone,
        "BiLSTM": net.encoder,
        "decoder": lambda x: net.decoder.loss(net.decoder(x, targets), targets),
    }
    return {name: both_ways(run, x, bf16) for (name, run), x in zip(runs.items(), given, strict=True)}


def correct(tiny: bool) -> Figures:
    """The largest differences: from double precision on the CPU, and between the ways of doing the same."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    made = recipe(True)
    net = net_of("", made)
    images, targets = batch_of(8, made)
    other = copy.deepcopy(net).cpu().double()
    found: Figures = {
        "float32, logits": difference(net(images, targets), other(images.cpu(), targets.cpu())),
        "float64, gradients": difference(
            gradients(net.double(), images, targets), gradients(other, images, targets)
        ),
    }
    conv = DepthwiseConv(16, 5, (2, 1)).to(DEVICE, torch.double)
    x = torch.randn(4, 16, 9, 13, device=DEVICE, dtype=torch.double)
    with patch.object(depthwise, "on_cuda", lambda x: True):
        strided = conv(x)
    decoder = AttentionDecoder(12, CLASSES, 16, 8, 8).to(DEVICE, torch.double)
    features = torch.randn(8, 7, 12, device=DEVICE, dtype=torch.double)
    with patch.object(attention_gru, "on_cuda", lambda x: x.is_cuda):
        told = decoder(features, targets)
    with plain():
        found["strided depthwise, two ways in float64"] = difference(strided, conv(x))
        found["decoder, two ways in float64"] = difference(told, decoder(features, targets))
    return found


def gradients(net: Recognizer, images: Tensor, targets: Tensor) -> Tensor:
    """Those of all weights, one after another."""
    net.loss(images.to(net.device), targets.to(net.device)).backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest, relative to the largest number."""
    found, expected = found.detach().cpu().double(), expected.detach().cpu().double()
    return float((found - expected).abs().max() / expected.abs().max())


def steps(tiny: bool) -> Figures:
    """Training steps of the nets beside the same with plain modules, and each net's by part."""
    made, found = recipe(tiny), {}
    for count in (4,) if tiny else (512, 64):
        for bf16 in (True, False):
            kind = f"batch {count}, {'bf16-mixed' if bf16 else 'float32'}"
            for name in NETS:
                found[f"{name}, {kind}"] = measured(net_of(name, made), count, made, bf16)
                with plain():
                    found[f"{name}, {kind}, plain"] = measured(net_of(name, made), count, made, bf16)
    return found


def by_part(tiny: bool) -> Figures:
    """The training step's time by part, with and without what is done for GPUs."""
    made, found = recipe(tiny), {}
    for count in (4,) if tiny else (512, 64):
        for name in NETS:
            net = net_of(name, made)
            found[f"{name}, batch {count}, ms"] = parts_of(net, count, made, True)
            with plain():
                found[f"{name}, batch {count}, plain, ms"] = parts_of(net, count, made, True)
    return found


def search(tiny: bool) -> Figures:
    """Steps of the operator search as a trial makes them: the candidates planned before the first step."""
    return searching(tiny, plan=True)


def search_unplanned(tiny: bool) -> Figures:
    """The same without planning: every shape is planned when it first comes."""
    return searching(tiny, plan=False)


def searching(tiny: bool, plan: bool) -> Figures:
    """Seconds before and of the first steps, then weight and architecture steps at speed."""
    made, count = recipe(tiny), 4 if tiny else 512
    space, rng = made.space(), random.Random(0)
    path = StridePath.parse("ABABB", space.stage_layers)
    net, supernet = build_supernet_recognizer(path, space, made, CLASSES)
    net.to(DEVICE).train()
    arch = build_parameters(supernet, space, 1e-3, torch.Generator().manual_seed(0)).to(DEVICE)
    images, targets = batch_of(count, made)
    step = step_of(net, images, targets, True)

    def weight() -> None:
        supernet.choose([rng.randrange(len(block.names)) for block in supernet.choice_blocks])
        step()

    def architecture() -> None:
        supernet.choose([rng.randrange(len(block.names)) for block in supernet.choice_blocks])
        arch.zero_grad(set_to_none=True)

        def loss() -> Tensor:
            with precision(True):
                return net.loss(images, targets)

        architecture_step(net, supernet, arch, loss, g=450e6, beta=0.6)

    found: Figures = {}
    if plan:
        begun = time.monotonic()
        planned = plan_candidates(net, made, count, DEVICE)
        found["planning"] = {"s": round(time.monotonic() - begun, 1), "candidates": planned}
    first = [milliseconds(weight, 1, 0) for _ in range(3 if tiny else 30)]
    found["first steps"] = {"s": round(sum(first) / 1000, 1), "slowest ms": max(first)}
    if not plan:
        return found
    taken = milliseconds(weight, 3 if tiny else 30, 0)
    found["weight step"] = {"ms": taken, "images/s": round(1000 * count / taken)}
    taken = milliseconds(architecture, 3 if tiny else 15, 1 if tiny else 5)
    found["architecture step"] = {"ms": taken, "images/s": round(1000 * count / taken)}
    return found


def reading(tiny: bool) -> Figures:
    """Greedy reading of up to 25 characters."""
    made, count, found = recipe(tiny), 4 if tiny else 512, {}
    for name in ("autostr-iiit5k", "aster"):
        net = net_of(name, made).eval()
        images, _ = batch_of(count, made)

        def read(net: Recognizer = net, images: Tensor = images) -> None:
            net.read(images, 25)

        with precision(True):
            taken = milliseconds(read, 5, 2)
        found[name] = {"ms": taken, "images/s": round(1000 * count / taken)}
    return found


def compile(tiny: bool) -> Figures:
    """`training.compile`: the first step, and those after it."""
    made, count = recipe(tiny), 4 if tiny else 512
    net = net_of("aster" if tiny else "autostr-iiit5k", made)  # a third as many layers to compile
    net.backbone.compile(dynamic=False)
    step = step_of(net, *batch_of(count, made), True)
    first = milliseconds(step, 1, 0)
    return {"first step": {"s": round(first / 1000, 1)}, "later steps": measured(net, count, made, True)}


def in_process(tiny: bool) -> Figures:
    """A whole search of tiny nets without NNI on this device, on words of its own."""
    from benchmarks.gpu.tiny_search import searched

    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        found = searched(Path(folder))
        return {"search": {"s": round(time.monotonic() - begun, 1), "net": found}}
