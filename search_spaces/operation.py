"""What an operation of a layer is: its name, what it costs, its module, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .stride_path import KEEP, Stride

if TYPE_CHECKING:
    from torch import nn

NETWORKS = "autostr_nni.models.operations"


@dataclass(frozen=True)
class Cost:
    """MACs of one image and learnable parameters."""

    macs: int = 0
    params: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.macs + other.macs, self.params + other.params)


def conv_bn_cost(cin: int, cout: int, kernel: int, h: int, w: int, groups: int = 1) -> Cost:
    """Cost a convolution without bias, of output h x w, and its batch normalisation."""
    weights = cin // groups * cout * kernel * kernel
    return Cost(weights * h * w, weights + 2 * cout)


class Operation:
    """An operation that a layer may have. `operations.register` makes one known by its name.

    Attributes:
        name: as recipes, parameters of trials and checkpoints write it.
        label: as drawings of nets write it; the name, where it is empty.
        fill: the colour of its block in drawings.
        keeps_shape: it can only stand where a layer has no stride and keeps the width.
        passes_by: it is drawn as a line straight through.
    """

    name: str = ""
    label: str = ""
    fill: str = "#e9edf1"
    keeps_shape: bool = False
    passes_by: bool = False

    def fits(self, changes: bool, projection_skip: bool) -> bool:
        """Say whether it may stand in a layer that `changes` the shape, or does not."""
        return not (changes and self.keeps_shape)

    def cost(self, cin: int, cout: int, h: int, w: int, stride: Stride) -> Cost:
        """Cost it on a cin x h x w input; a size that the stride does not divide is rounded up."""
        raise NotImplementedError

    def build(self, cin: int, cout: int, stride: Stride) -> nn.Module:
        """Make its module, `[B, cin, H, W]` to `[B, cout, H / s_h, W / s_w]`; torch is imported here only."""
        raise NotImplementedError


def changes_shape(cin: int, cout: int, stride: Stride) -> bool:
    """Say whether a layer has a stride or changes the width."""
    return stride != KEEP or cin != cout


def strided(h: int, w: int, stride: Stride) -> tuple[int, int]:
    """Give the size after a stride, rounded up."""
    return -(-h // stride[0]), -(-w // stride[1])


def _network(name: str) -> Any:
    """A class of the networks, by its name: the space is light, and stands below them."""
    return getattr(import_module(NETWORKS), name)


# Fill by kernel and expansion, darker for larger; the name stands in every block besides.
_FILLS = {3: ("#e3f1fa", "#b9dcf0", "#8cc5e6"), 5: ("#fdeed5", "#f9d69c", "#f2b95c")}


class MBConv(Operation):
    """A mobile inverted bottleneck: 1x1 expand-BN-ReLU6 (none if expansion is 1), k x k depthwise-BN-ReLU6,
    1x1 project-BN."""

    def __init__(self, kernel: int, expansion: int) -> None:
        self.kernel, self.expansion = kernel, expansion
        self.name = f"k{kernel}e{expansion}"
        self.label = f"MBConv (k:{kernel}, e:{expansion})"
        shades = _FILLS[3] if kernel <= 3 else _FILLS[5]
        self.fill = shades[0 if expansion < 2 else 1 if expansion < 5 else 2]

    def cost(self, cin: int, cout: int, h: int, w: int, stride: Stride) -> Cost:
        hidden, out = cin * self.expansion, strided(h, w, stride)
        cost = conv_bn_cost(hidden, hidden, self.kernel, *out, groups=hidden)
        cost += conv_bn_cost(hidden, cout, 1, *out)
        return cost + conv_bn_cost(cin, hidden, 1, h, w) if self.expansion != 1 else cost

    def build(self, cin: int, cout: int, stride: Stride) -> nn.Module:
        made: nn.Module = _network("MBConv")(cin, cout, self.kernel, self.expansion, stride)
        return made


class Residual(Operation):
    """ASTER's residual unit: 1x1 convolution with the stride, 3x3 convolution, shortcut."""

    name, label = "res3", "residual 3×3"

    def cost(self, cin: int, cout: int, h: int, w: int, stride: Stride) -> Cost:
        out = strided(h, w, stride)
        cost = conv_bn_cost(cin, cout, 1, *out) + conv_bn_cost(cout, cout, 3, *out)
        return cost + conv_bn_cost(cin, cout, 1, *out) if changes_shape(cin, cout, stride) else cost

    def build(self, cin: int, cout: int, stride: Stride) -> nn.Module:
        made: nn.Module = _network("ResidualUnit")(cin, cout, stride)
        return made


class Skip(Operation):
    """The input itself; in spaces with `projection_skip` average pooling and 1x1 conv-BN where the shape
    changes."""

    name, label, fill = "skip", "skip", "white"
    keeps_shape = passes_by = True

    def fits(self, changes: bool, projection_skip: bool) -> bool:
        return projection_skip or not changes

    def cost(self, cin: int, cout: int, h: int, w: int, stride: Stride) -> Cost:
        if not changes_shape(cin, cout, stride):
            return Cost()
        return conv_bn_cost(cin, cout, 1, *strided(h, w, stride))

    def build(self, cin: int, cout: int, stride: Stride) -> nn.Module:
        made: nn.Module = _network("build_skip")(cin, cout, stride)
        return made
