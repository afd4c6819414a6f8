"""1x1 convolutions without stride or bias, by whichever of oneDNN and the matrix product is faster.

Tensors are ``[B, C, H, W]`` in channels_last, where a 1x1 convolution is the product of ``[B * H * W, C]``.
So the images of a batch may be taken for one high image, which oneDNN cuts into pieces that fit its cache
better: up to a fifth faster than image by image, and than MKL's product on the processors measured (AMD Zen
4). On the largest maps, where a single image does not fit the cache either, it is slower. With one thread
torch keeps such a single image from oneDNN, and its own way is up to three times as slow: there the batch
stays a batch, but for the smallest maps, where calling oneDNN takes longer than the product.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MANY_PIXELS = 32_000  #: of a batch; between the first two maps of the paper's nets at batch 16
_FEW_PIXELS, _LITTLE = 5_000, 4_000_000  #: pixels of a batch and their MACs, for a product in one thread


def rows(x: Tensor) -> Tensor:
    """``[B, C, H, W]`` as its pixels ``[B * H * W, C]``; a view where x is in channels_last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def image(pixels: Tensor, like: Tensor) -> Tensor:
    """Pixels ``[B * H * W, C]`` as ``[B, C, H, W]`` with B, H and W of ``like``; a view."""
    batch, _, height, width = like.shape
    return pixels.view(batch, height, width, -1).permute(0, 3, 1, 2)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution with ``weight`` ``[C', C, 1, 1]``."""
    if _small(x, weight) and bias is None:
        return image(torch.mm(rows(x), weight.flatten(1).t()), x)
    if _by_images(x):
        return torch.conv2d(x, weight, bias)
    return image(rows(torch.conv2d(_one_image(x), weight, bias)), x)


def input_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """dL/dx from dL/dy."""
    if _small(x, weight):
        return image(torch.mm(rows(gradient), weight.flatten(1)), x)
    if _by_images(x):
        return _backward(gradient, x, weight, [True, False, False])[0]
    found = _backward(_one_image(gradient), _one_image(x), weight, [True, False, False])[0]
    return image(rows(found), x)


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """dL/dweight from dL/dy."""
    if _by_images(x) and not _small(x, weight):
        return _backward(gradient, x, weight, [False, True, False])[1]
    pixels, slopes = rows(x), rows(gradient)
    wide, narrow = weight.shape[:2]
    if narrow > wide and len(pixels) > narrow:  # the larger side first, and little to transpose
        return torch.mm(pixels.t(), slopes).t().reshape(weight.shape)
    return torch.mm(slopes.t(), pixels).view_as(weight)


def _by_images(x: Tensor) -> bool:
    return torch.get_num_threads() == 1 or x.shape[0] * x.shape[2] * x.shape[3] > _MANY_PIXELS


def _small(x: Tensor, weight: Tensor) -> bool:
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    return torch.get_num_threads() == 1 and pixels <= _FEW_PIXELS and pixels * weight.numel() <= _LITTLE


def _one_image(x: Tensor) -> Tensor:
    """The batch as one image ``[1, C, B * H, W]``; a view where x is in channels_last."""
    batch, channels, height, width = x.shape
    return x.permute(0, 2, 3, 1).reshape(1, batch * height, width, channels).permute(0, 3, 1, 2)


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, wanted
    )
    return found
