"""The backbone alone: each block, what the card could do at best, and strided depthwise convolutions."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from autostr_nni.models.depthwise import DepthwiseConv
from autostr_nni.models.recognizer import Recognizer, normalise
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace
from benchmarks.gpu.nets import (
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
)


def rectified(net: Recognizer, count: int, tiny: bool) -> Tensor:
    """What the backbone gets."""
    with torch.no_grad():
        pixels: Tensor = net.rectifier(normalise(batch_of(count, recipe(tiny))[0]))
    return pixels


def blocks(tiny: bool) -> Figures:
    """Forward and backward of the whole backbone and of each block alone, on what it gets there; bf16."""
    count, found = 4 if tiny else 512, {}
    for name in NETS:
        net = net_of(name, recipe(tiny))
        x = rectified(net, count, tiny)
        row = {"whole ms": both_ways(net.backbone, x)}
        layers = chain([net.backbone.stem], net.backbone.blocks)
        for number, layer in enumerate(layers):
            row[f"{number}" if number else "stem"] = both_ways(layer, x)
            with torch.no_grad(), precision(True):
                x = layer(x)
        row["sum"] = round(sum(row.values()) - row["whole ms"], 2)
        found[name] = row
    return found


def floor(tiny: bool) -> Figures:
    """What no backbone goes below: its bytes at the card's rate of copies, its products at that of matrices.

    Bytes: every layer's output is written and read once, and so is its gradient. Products: forward, and twice
    as many backward.
    """
    count, found = 4 if tiny else 512, {}
    side, length = (256, 1 << 20) if tiny else (8192, 1 << 30)
    data = torch.empty(length, dtype=torch.uint8, device=DEVICE)
    other = torch.empty_like(data)
    copied = 2 * length / milliseconds(lambda: other.copy_(data))  # bytes read and written in a millisecond
    for bf16 in (True, False):
        kind, size = ("bf16", 2) if bf16 else ("float32 (TF32)", 4)
        a = torch.randn(side, side, device=DEVICE)
        with precision(bf16):
            products = side**3 / milliseconds(lambda a=a: a @ a)
        found[f"rates, {kind}"] = {"copy GB/s": round(copied / 1e6), "T MACs/s": round(products / 1e9, 2)}
        for name in NETS:
            net = net_of(name, recipe(tiny))
            x = rectified(net, count, tiny)
            bytes_ = 4 * size * numbers(net.backbone, x)
            macs = 3 * count * macs_of(name, tiny)
            row = {"bytes ms": round(bytes_ / copied, 2), "MACs ms": round(macs / products, 2)}
            row["measured ms"] = both_ways(net.backbone, x, bf16)
            row["times the floor"] = round(row["measured ms"] / max(row["bytes ms"], row["MACs ms"], 1e-3), 2)
            found[f"{name}, {kind}"] = row
    return found


def numbers(backbone: nn.Module, x: Tensor) -> int:
    """Numbers in the outputs of all layers."""
    counts: list[int] = []
    leaves = [part for part in backbone.modules() if not list(part.children())]
    hooks = [part.register_forward_hook(lambda p, i, out: counts.append(out.numel())) for part in leaves]
    with torch.no_grad():
        backbone(x)
    for hook in hooks:
        hook.remove()
    return sum(counts)


def macs_of(name: str, tiny: bool) -> int:
    """MACs of a backbone for an image."""
    if tiny:
        space = recipe(True).space()
        return total(backbone_costs(space.default_architecture(space.typical_paths()[1], "k5e3"), space)).macs
    architecture, layers = lookup(name)
    return total(backbone_costs(architecture, SearchSpace(stage_layers=layers))).macs


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
            with plain():
                found[name] = {**row, "plain ms": milliseconds(once, 5, 2)}
    return found
