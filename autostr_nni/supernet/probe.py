"""The numbers of Eq. 5 for one choice block: what the loss would gain by each candidate's output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Probe:
    """The candidates of a block on one input.

    Args:
        x: the block's input ``[B, C, H, W]``; kept until the backward pass, which needs it anyway.
    """

    def __init__(self, candidates: Sequence[nn.Module], x: Tensor) -> None:
        self.candidates = candidates
        self.x = x.detach()
        # Backward may run in another thread, which knows nothing of this one's autocast.
        self.device = x.device.type
        self.autocast = torch.is_autocast_enabled(self.device)
        self.autocast_type = torch.get_autocast_dtype(self.device)

    def run(self, index: int, x: Tensor) -> Tensor:
        """Output of one candidate on this input, with or without its graph."""
        y: Tensor = self.candidates[index](x)
        return y

    @torch.no_grad()
    def products(self, gradient: Tensor, active: int, output: Tensor) -> Tensor:
        """``sum(gradient * op_j(x))`` of every candidate j, ``[C]``; ``output`` is the active one's.

        The others run one after another, so that no output is kept.
        """
        with torch.autocast(self.device, dtype=self.autocast_type, enabled=self.autocast):
            values = [
                inner(gradient, output if j == active else self.run(j, self.x))
                for j in range(len(self.candidates))
            ]
        return torch.stack(values)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Sum of the products of two tensors ``[B, C, H, W]``, without a tensor of products on CPU.

    A scalar in single precision at least.
    """
    if a.device.type == "cpu" and a.dtype == b.dtype and a.dtype in (torch.float32, torch.float64):
        return torch.dot(a.permute(0, 2, 3, 1).reshape(-1), b.permute(0, 2, 3, 1).reshape(-1))
    return torch.sum(a * b, dtype=torch.float64 if a.dtype == torch.float64 else torch.float32)
