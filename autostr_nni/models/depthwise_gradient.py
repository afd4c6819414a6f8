"""k x k depthwise convolutions in channels_last whose gradients go along oneDNN's fast ways.

Saves 3 to 6 % of a full-size supernet's weight step on CPU (benchmarks/RESULTS.md, *What was left out*);
small nets run as torch does. ``AUTOSTR_PLAIN=1`` switches it off.

oneDNN's fast kernel for the weight gradient takes kernels up to 3 wide, padded by at most half their width,
and images higher than the kernel with its padding. Everything else (5x5 everywhere, 3x3 on maps 1 or 2 high)
falls to a kernel 3 to 20 times slower. So such a gradient is brought to the fast kind, exactly:

- rows of the kernel that only ever see padding have gradient zero and are left out;
- a 5 wide kernel is two overlapping 3 wide ones, one pixel to the left and one to the right;
- low maps are stacked to one high image.

Stacking and shifting need zeros between the images and between the rows. In such a buffer a shift of the
input is an offset in memory and copies nothing.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Stride = tuple[int, int]

PLAIN_VARIABLE = "AUTOSTR_PLAIN"
#: Numbers of the input from which it is faster: below, its calls cost more than they save.
LEAST = 250_000


def convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """``conv(x)`` for one with a group for each channel; its weights' gradient may take another way."""
    if conv.training and _gains(x, conv):
        out: Tensor = _Depthwise.apply(x, conv.weight, conv.stride)  # type: ignore[no-untyped-call]
        return out
    found: Tensor = conv(x)
    return found


def _gains(x: Tensor, conv: nn.Conv2d) -> bool:
    return (
        x.device.type == "cpu"
        and torch.is_grad_enabled()
        and conv.weight.requires_grad
        and x.dtype == conv.weight.dtype
        and x.dtype in (torch.float32, torch.float64)
        and x.numel() >= LEAST
        and not conv._forward_hooks
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and not os.environ.get(PLAIN_VARIABLE)
    )


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Stride) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return torch.conv2d(x, weight, None, stride, weight.shape[2] // 2, 1, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        dx = input_gradient(gradient, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        dw = weight_gradient(gradient, x, weight.shape[2], ctx.stride) if ctx.needs_input_grad[1] else None
        return dx, dw, None


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, stride: Stride) -> Tensor:
    """dL/dx ``[B, C, H, W]`` from dL/dy ``[B, C, h, w]``; padding is half the kernel."""
    padding = weight.shape[2] // 2, weight.shape[3] // 2
    return _backward(gradient, x, weight, stride, padding, 0)


def weight_gradient(gradient: Tensor, x: Tensor, kernel: int, stride: Stride) -> Tensor:
    """dL/dweight ``[C, 1, kernel, kernel]`` from dL/dy ``[B, C, h, w]``; fast for kernels 3 and 5."""
    half = kernel // 2
    if kernel not in (3, 5):
        return _weight_gradient(gradient, x, (kernel, kernel), stride, (half, half))
    height, out_height = x.shape[2], gradient.shape[2]
    # Offsets from an output's row to those input rows that any output sees at all.
    top, bottom = max(-half, -(out_height - 1) * stride[0]), min(half, height - 1)
    if top == 0:  # no padding above: nothing to stack for
        found = _by_columns(gradient, x, bottom + 1, kernel, stride, stack=False)
    elif kernel == 3 and height > 3:
        return _weight_gradient(gradient, x, (3, 3), stride, (1, 1))
    else:
        top, bottom = -max(-top, bottom), max(-top, bottom)
        found = _by_columns(gradient, x, bottom - top + 1, kernel, stride, stack=True)
    return F.pad(found, (0, 0, half + top, half - bottom))


def _by_columns(
    gradient: Tensor, x: Tensor, kernel_rows: int, kernel: int, stride: Stride, stack: bool
) -> Tensor:
    """Weight gradient ``[C, 1, kernel_rows, kernel]`` by calls with kernels 3 wide.

    With ``stack`` the kernel's rows are centred on the output's row, and the images are stacked with zeros
    between them; otherwise they start at it.
    """
    if kernel == 3 and not stack:
        return _weight_gradient(gradient, x, (kernel_rows, 3), stride, (0, 1))
    batch, channels, height, width = x.shape
    pad = kernel_rows // 2 if stack else 0
    shift = kernel // 2 - 1  # of the 3 wide kernels, to either side
    size = _round_up(height + pad, stride[0]), _round_up(width + 2 * shift, stride[1])
    out_size = -(-size[0] // stride[0]), size[1] // stride[1]
    if not stack:
        size, out_size = (height, size[1]), (gradient.shape[2], out_size[1])
    inputs = _with_zeros(x, size, shift)
    outputs = _with_zeros(gradient, out_size, 0)

    def images(buffer: Tensor, size: tuple[int, int], offset: int) -> Tensor:
        count, rows = (1, batch * size[0]) if stack else (batch, size[0])
        pixel = channels
        return buffer.as_strided(
            (count, channels, rows, size[1]),
            (rows * size[1] * pixel, 1, size[1] * pixel, pixel),
            offset * pixel,
        )

    g = images(outputs, out_size, 0)
    parts = [
        _weight_gradient(g, images(inputs, size, shift + by), (kernel_rows, 3), stride, (pad, 1))
        for by in sorted({-shift, shift})
    ]
    if len(parts) == 1:
        return parts[0]
    return torch.cat([parts[0], parts[1][..., 1:]], 3)  # the middle column is in both


def _with_zeros(x: Tensor, size: tuple[int, int], ends: int) -> Tensor:
    """The pixels of x, each image padded below and on the right to ``size``, ``ends`` zero pixels around all.

    Flat, ``[(ends + B * size[0] * size[1] + ends) * C]``.
    """
    batch, channels, height, width = x.shape
    buffer = x.new_empty((batch * size[0] * size[1] + 2 * ends) * channels)
    edge = ends * channels
    buffer[:edge].zero_()
    buffer[buffer.numel() - edge :].zero_()
    body = buffer[edge : buffer.numel() - edge].view(batch, *size, channels)
    body[:, :height, :width] = x.permute(0, 2, 3, 1)
    body[:, :height, width:].zero_()
    body[:, height:].zero_()
    return buffer


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _weight_gradient(
    gradient: Tensor, x: Tensor, kernel: tuple[int, int], stride: Stride, padding: tuple[int, int]
) -> Tensor:
    return _backward(gradient, x, x.new_empty(x.shape[1], 1, *kernel), stride, padding, 1)


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Stride, padding: tuple[int, int], which: int
) -> Tensor:
    wanted = [which == 0, which == 1, False]
    found: Tensor = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], x.shape[1], wanted
    )[which]
    return found
