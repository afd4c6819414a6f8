"""The candidate operations of a choice block, and ASTER's residual unit (paper Table 2, section 3.2)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from autostr_nni.models.depthwise import DepthwiseConv
from autostr_nni.models.depthwise_gradient import convolve
from autostr_nni.search_spaces.operation import changes_shape
from autostr_nni.search_spaces.operations import parse
from autostr_nni.system.errors import InputError

Stride = tuple[int, int]


def conv_bn(cin: int, cout: int, kernel: int = 1) -> list[tuple[str, nn.Module]]:
    """A convolution without bias that keeps the size, and its BatchNorm."""
    conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False)
    return [("conv", conv), ("bn", nn.BatchNorm2d(cout))]


def depthwise_bn(channels: int, kernel: int, stride: Stride) -> list[tuple[str, nn.Module]]:
    """A depthwise convolution, and its BatchNorm."""
    return [("conv", DepthwiseConv(channels, kernel, stride)), ("bn", nn.BatchNorm2d(channels))]


class MBConv(nn.Module):
    """Mobile inverted bottleneck: expand 1x1, depthwise k x k with the stride, project 1x1.

    Input ``[B, cin, H, W]``, output ``[B, cout, H / stride_h, W / stride_w]``. There is no expansion
    layer for ``expansion`` 1, and a residual only where shape and width are kept (paper section 3.2).
    """

    def __init__(self, cin: int, cout: int, kernel: int, expansion: int, stride: Stride) -> None:
        super().__init__()
        hidden = cin * expansion
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion != 1:
            parts["expand"] = nn.Sequential(OrderedDict(conv_bn(cin, hidden)))
            parts["expand_act"] = nn.ReLU6(inplace=True)
        parts["depthwise"] = nn.Sequential(OrderedDict(depthwise_bn(hidden, kernel, stride)))
        parts["depthwise_act"] = nn.ReLU6(inplace=True)
        parts["project"] = nn.Sequential(OrderedDict(conv_bn(hidden, cout)))
        self.body = nn.Sequential(parts)
        self.residual = stride == (1, 1) and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for name, part in self.body.named_children():
            if name == "depthwise":
                conv, norm = part.children()
                assert isinstance(conv, nn.Conv2d)
                out = norm(convolve(out, conv))
            else:
                out = part(out)
        return x + out if self.residual else out


class ResidualUnit(nn.Module):
    """ASTER's unit, the default operation of step 1: 1x1 with the stride, 3x3, shortcut, ReLU.

    A strided 1x1 convolution sees only the pixels at the stride, so these are taken out first, once for both
    branches. It is exact, and it keeps clear of a fault of oneDNN (its issue 6035): the backward pass of
    strided 1x1 convolutions with few channels writes beyond its memory on CPUs.
    """

    def __init__(self, cin: int, cout: int, stride: Stride) -> None:
        super().__init__()
        self.stride = stride
        self.reduce = nn.Sequential(OrderedDict(conv_bn(cin, cout)))
        self.conv = nn.Sequential(OrderedDict(conv_bn(cout, cout, 3)))
        changes = stride != (1, 1) or cin != cout
        self.shortcut = nn.Sequential(OrderedDict(conv_bn(cin, cout))) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.stride != (1, 1):
            x = x[:, :, :: self.stride[0], :: self.stride[1]]
        out = self.conv(torch.relu_(self.reduce(x)))
        return torch.relu_(out + self.shortcut(x))


class ProjectionSkip(nn.Sequential):
    """A skip where the shape changes: average pooling by the stride, then 1x1 conv-BN."""

    def __init__(self, cin: int, cout: int, stride: Stride) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if stride != (1, 1):
            parts["pool"] = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
        parts["project"] = nn.Sequential(OrderedDict(conv_bn(cin, cout)))
        super().__init__(parts)


def build_skip(cin: int, cout: int, stride: Stride) -> nn.Module:
    """The input itself, or what stands for it where the shape changes."""
    return nn.Identity() if stride == (1, 1) and cin == cout else ProjectionSkip(cin, cout, stride)


def build_operation(
    name: str, cin: int, cout: int, stride: Stride, projection_skip: bool = False
) -> nn.Module:
    """The module of one operation, ``[B, cin, H, W]`` to ``[B, cout, H / s_h, W / s_w]``.

    Raises:
        InputError: the name is no operation, or one that keeps the shape is asked for where it changes
            (of ``skip``: and the space offers no projection skip).
    """
    operation = parse(name)
    if not operation.fits(changes_shape(cin, cout, stride), projection_skip):
        raise InputError(
            f"{name} is not offered at a layer that changes shape: choose another operation there"
        )
    return operation.build(cin, cout, stride)
