"""What a part of a net costs: multiplications of its convolutions, and parameters that learn."""

from __future__ import annotations

from dataclasses import dataclass


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
