"""Depthwise convolutions that keep clear of a slow way of cuDNN. The same numbers, weights and names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DepthwiseConv(nn.Conv2d):
    """A depthwise convolution, without bias until a BatchNorm is folded in, that keeps the size before
    striding: ``[B, C, H, W]`` to ``[B, C, ceil(H / s_h), ceil(W / s_w)]``.

    cuDNN's fast depthwise kernels want equal strides in both directions. With a stride of (2, 1), half of all
    strides of a path, it falls back to kernels about ten times as slow. So on CUDA the convolution runs with
    stride 1, and what the stride leaves out is dropped: the same sums, at most twice as many of them.
    """

    def __init__(self, channels: int, kernel: int, stride: tuple[int, int]) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if self.stride[0] == self.stride[1] or not on_cuda(input):
            return super().forward(input)
        padding, (high, wide) = self.kernel_size[0] // 2, self.stride
        every = F.conv2d(input, self.weight, self.bias, 1, padding, 1, self.groups)
        return every[:, :, ::high, ::wide].clone()  # not a view, which would keep all of it in memory


def on_cuda(x: Tensor) -> bool:
    """Whether cuDNN computes with x."""
    return x.is_cuda
