"""What the parts of `python -m benchmarks.gpu` share: nets, batches, steps, and how time is taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from autostr_nni.models import attention_gru, decoder_step, depthwise
from autostr_nni.models.recognizer import Recognizer, build_recognizer, input_size
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.recipe.training import OptimizerSection
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.training.optimizing.optimizers import build_optimizer

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NETS = ("autostr-iiit5k", "mbconv-k5e6", "aster")
CHARACTERS = 8
CLASSES = 95
Figures = dict[str, Any]


def recipe(tiny: bool) -> Recipe:
    """The paper's sizes, or the smallest."""
    content: dict[str, Any] = {"data": {"train": ["/a"], "validation": ["/b"], "max_length": 8}}
    content["training"] = {"precision": "bf16-mixed"}
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


@contextmanager
def plain() -> Iterator[None]:
    """Strided depthwise convolutions as torch runs them, and the decoder's step of many kernels."""
    with (
        patch.object(depthwise, "on_cuda", lambda x: False),
        patch.object(attention_gru, "on_cuda", lambda x: False),
        patch.object(decoder_step, "on_cuda", lambda x: False),
    ):
        yield


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


def both_ways(run: Callable[[Tensor], Tensor], x: Tensor, bf16: bool = True) -> float:
    """Milliseconds of a part alone, forward and backward, with a gradient of its input too."""
    x = x.detach().requires_grad_()

    def once() -> None:
        with precision(bf16):
            out = run(x)
        out.backward(torch.ones_like(out))  # type: ignore[no-untyped-call]

    return milliseconds(once, 5, 2)
