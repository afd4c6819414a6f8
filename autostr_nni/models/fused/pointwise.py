"""1x1 convolutions without stride or bias, by whichever of oneDNN and the matrix product is faster.

Tensors are ``[B, C, H, W]`` in channels_last, where a 1x1 convolution is the product of ``[B * H * W, C]``.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rows(x: Tensor) -> Tensor:
    """``[B, C, H, W]`` as its pixels ``[B * H * W, C]``; a view where x is in channels_last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def image(pixels: Tensor, like: Tensor) -> Tensor:
    """Pixels ``[B * H * W, C]`` as ``[B, C, H, W]`` with B, H and W of ``like``; a view."""
    batch, _, height, width = like.shape
    return pixels.view(batch, height, width, -1).permute(0, 3, 1, 2)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution with ``weight`` ``[C', C, 1, 1]``."""
    if bias is None and _few_pixels(x, weight):
        return image(torch.mm(rows(x), weight.flatten(1).t()), x)
    return torch.conv2d(x, weight, bias)


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """dL/dx from dL/dy."""
    if _few_pixels(x, weight):
        return image(torch.mm(rows(gradient), weight.flatten(1)), x)
    return _backward(gradient, x, weight, [True, False, False])[0]


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """dL/dweight from dL/dy."""
    if _few_pixels(x, weight):
        return torch.mm(rows(gradient).t(), rows(x)).view_as(weight)
    return _backward(gradient, x, weight, [False, True, False])[1]


def _few_pixels(x: Tensor, weight: Tensor) -> bool:
    """Where the matrix product was measured faster: by up to a quarter, in the paper's last stage."""
    return max(weight.shape[:2]) >= 2 * x.shape[0] * x.shape[2] * x.shape[3]


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, wanted
    )
    return found
