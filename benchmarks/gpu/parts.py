"""The parts of `python -m benchmarks.gpu`: each gives numbers by name, times as medians in milliseconds."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from autostr_nni.models import depthwise
from autostr_nni.models.depthwise import DepthwiseConv
from autostr_nni.models.recognizer import Recognizer, build_recognizer, input_size, normalise
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.recipe.training import OptimizerSection
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.architecture_step import architecture_step
from autostr_nni.training.operator_task import build_parameters, build_supernet_recognizer
from autostr_nni.training.optimizing.optimizers import build_optimizer
from benchmarks.gpu.latency import latency as latency

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CHARACTERS = 8
CLASSES = 95
Figures = dict[str, Any]


def recipe(tiny: bool) -> Recipe:
    """The paper's sizes, or the smallest."""
    content: dict[str, Any] = {"data": {"train": ["/a"], "validation": ["/b"], "max_length": 8}}
    if tiny:
        content["model"] = {"image": [32, 32], "stem_width": 8, "stage_widths": [8] * 5}
    return recipe_from(content, Path("/"))


def wait() -> None:
    """Until the GPU has done all that it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def milliseconds(run: Callable[[], object], runs: int = 10, warm: int = 4) -> float:
    """The median of some calls after others; of few on a CPU, where only the script is tried."""
    if DEVICE.type == "cpu":
        runs, warm = min(runs, 2), min(warm, 1)
    for _ in range(warm):
        run()
    times = []
    for _ in range(runs):
        wait()
        start = time.perf_counter()
        run()
        wait()
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times), 2)


def precision(bf16: bool) -> AbstractContextManager[Any]:
    """bf16-mixed, or float32 (with TF32, as trials have it)."""
    torch.set_float32_matmul_precision("high")
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=bf16)


def plain_strides() -> AbstractContextManager[Any]:
    """Strided depthwise convolutions as torch runs them."""
    return patch.object(depthwise, "on_cuda", lambda x: False)


def batch_of(count: int, made: Recipe) -> tuple[Tensor, Tensor]:
    """Random images and words of 8 characters and their end."""
    height, width = input_size(made.model)
    images = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, device=DEVICE)
    targets = torch.randint(0, CLASSES - 1, (count, CHARACTERS + 1), device=DEVICE)
    targets[:, -1] = CLASSES - 1
    return images, targets


def net_of(name: str, made: Recipe) -> Recognizer:
    """A named net of the paper's space; with small sizes one of theirs."""
    torch.manual_seed(0)
    if made.model.stem_width == 8:
        space = made.space()
        architecture = space.default_architecture(space.typical_paths()[1], "k5e3")
    else:
        architecture, layers = lookup(name)
        space = SearchSpace(stage_layers=layers)
    return build_recognizer(architecture, space, made.model, CLASSES).to(DEVICE).train()


def step_of(net: Recognizer, images: Tensor, targets: Tensor, bf16: bool) -> Callable[[], None]:
    """A training step as trials make it."""
    optimizer = build_optimizer(net.parameters(), OptimizerSection())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with precision(bf16):
            loss = net.loss(images, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    return step


def measured(net: Recognizer, count: int, made: Recipe, bf16: bool) -> Figures:
    """Time, rate and memory of a training step."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = milliseconds(step_of(net, *batch_of(count, made), bf16))
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
    found: Figures = {}
    for (name, run), x in zip(runs.items(), given, strict=True):
        x = x.detach().requires_grad_()

        def once(run: Callable[[Tensor], Tensor] = run, x: Tensor = x) -> None:
            with precision(bf16):
                out = run(x).float().sum()
            out.backward()  # type: ignore[no-untyped-call]

        found[name] = milliseconds(once, 5, 2)
    return found


def correct(tiny: bool) -> Figures:
    """The largest differences between this device and the CPU, and between the two ways of strides."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    made = recipe(True)
    net = net_of("", made).eval()
    images, targets = batch_of(8, made)
    there = net(images, targets)
    here = net.cpu()(images.cpu(), targets.cpu())
    found: Figures = {
        "logits, device against CPU": float((there.cpu() - here).abs().max() / here.abs().max())
    }
    conv = DepthwiseConv(16, 5, (2, 1)).to(DEVICE, torch.double)
    x = torch.randn(4, 16, 9, 13, device=DEVICE, dtype=torch.double)
    with patch.object(depthwise, "on_cuda", lambda x: True):
        other = conv(x)
    with plain_strides():
        found["strided depthwise, two ways in float64"] = float((conv(x) - other).abs().max())
    return found


def steps(tiny: bool) -> Figures:
    """Training steps of the nets, and the searched net's by part."""
    made, found = recipe(tiny), {}
    sizes = (4,) if tiny else (512, 64)
    for count in sizes:
        for bf16 in (True, False):
            kind = f"batch {count}, {'bf16-mixed' if bf16 else 'float32'}"
            for name in ("autostr-iiit5k", "aster"):
                found[f"{name}, {kind}"] = measured(net_of(name, made), count, made, bf16)
            with plain_strides():
                plain = measured(net_of("autostr-iiit5k", made), count, made, bf16)
            found[f"autostr-iiit5k, {kind}, plain strides"] = plain
    net = net_of("autostr-iiit5k", made)
    found[f"ms by part, batch {sizes[0]}, bf16"] = parts_of(net, sizes[0], made, True)
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with patch("autostr_nni.models.recognizer.normalise", lambda i, d: i.to(d).sub_(127.5).div_(127.5)):
        found[f"autostr-iiit5k, batch {sizes[0]}, bf16, not channels_last"] = measured(
            net, sizes[0], made, True
        )
    return found


def strided(tiny: bool) -> Figures:
    """Depthwise 5x5 with stride (2, 1) alone, forward and backward, on maps of the paper's sizes."""
    found: Figures = {}
    for channels, height, width in ((8, 8, 8),) if tiny else ((384, 16, 50), (768, 8, 25), (1536, 4, 25)):
        x = torch.randn(4 if tiny else 512, channels, height, width, device=DEVICE)
        for layout in (torch.channels_last, torch.contiguous_format):
            y = x.to(memory_format=layout).requires_grad_()
            conv = DepthwiseConv(channels, 5, (2, 1)).to(DEVICE)

            def once(conv: nn.Module = conv, y: Tensor = y) -> None:
                with precision(True):
                    out = conv(y)
                out.backward(torch.ones_like(out))

            name = f"{channels} x {height} x {width}, {str(layout).removeprefix('torch.')}"
            row = {"ours ms": milliseconds(once, 5, 2)}
            with plain_strides():
                found[name] = {**row, "plain ms": milliseconds(once, 5, 2)}
    return found


def search(tiny: bool) -> Figures:
    """Steps of the operator search, the first ones apart: every shape is planned when it first comes."""
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

    first = [milliseconds(weight, 1, 0) for _ in range(3 if tiny else 30)]
    found: Figures = {"first steps": {"s": round(sum(first) / 1000, 1), "slowest ms": max(first)}}
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
    net = net_of("autostr-iiit5k", made)
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
