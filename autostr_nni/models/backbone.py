"""The feature sequence extractor: a stem and one operation per layer along a stride path."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from autostr_nni.models.operations import build_operation, conv_bn
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath


def build_stem(width: int) -> nn.Sequential:
    """3x3 conv-BN-ReLU from RGB to ``width`` channels, stride 1."""
    return nn.Sequential(OrderedDict([*conv_bn(3, width, 3), ("act", nn.ReLU(inplace=True))]))


def to_sequence(features: Tensor) -> Tensor:
    """``[B, C, h, w]`` to the sequence ``[B, h * w, C]``, left to right (h is 1 in the paper)."""
    return features.flatten(2).transpose(1, 2)


def initialise(module: nn.Module) -> None:
    """He initialisation by fan-out for convolutions, in place; BatchNorm keeps weight 1 and bias 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def build_layer(space: SearchSpace, path: StridePath, layer: int, operation: str) -> nn.Module:
    """The module of an operation in a layer, counted from 1, of a path of the space."""
    cin, cout = space.layer_widths[layer - 1]
    return build_operation(operation, cin, cout, path.strides[layer - 1], space.projection_skip)


class Backbone(nn.Module):
    """One architecture of a space as a network: what the NNI model space is when it is frozen.

    It knows nothing of NNI, so that a trained net is read without the seconds that importing NNI takes.

    Input ``[B, 3, H, W]`` floats in [-1, 1]; output ``[B, H' * W', C]`` with the space's output size and
    last width: 32x100 gives 25 steps of 512 in the paper's setting (section 4.2).

    Raises:
        InputError: the architecture is not one of the space.
    """

    def __init__(self, architecture: Architecture, space: SearchSpace) -> None:
        super().__init__()
        space.check(architecture)
        self.operations = architecture.operations
        self.stem = build_stem(space.stem_width)
        self.blocks = nn.ModuleList(
            build_layer(space, architecture.path, layer, name)
            for layer, name in enumerate(architecture.operations, 1)
        )
        self.out_channels = space.layer_widths[-1][1]
        initialise(self)

    def modules_of(self, layer: int, operation: str) -> list[nn.Module]:
        """The module of an operation in a layer, counted from 0; none where it has another."""
        return [self.blocks[layer]] if self.operations[layer] == operation else []

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return to_sequence(x)
