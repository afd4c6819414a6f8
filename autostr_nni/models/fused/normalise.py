"""BatchNorm's arithmetic on its own, as ``nn.BatchNorm2d`` in training mode does it, and ReLU6 in place."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Normalised(NamedTuple):
    """What the backward pass of a BatchNorm needs beside its output."""

    input: Tensor  # [B, C, H, W]
    mean: Tensor  # [C]
    inverse: Tensor  # [C], 1 / standard deviation


def normalise(x: Tensor, norm: nn.BatchNorm2d, in_place: bool = False) -> tuple[Tensor, Normalised]:
    """x normalised by the batch's statistics, which are recorded as the module would.

    With ``in_place`` x is overwritten, and what is returned beside the output is of no use.
    """
    running = (norm.running_mean, norm.running_var) if count_batch(norm) else (None, None)
    mean, variance = torch.ops.aten.batch_norm_update_stats(x, *running, momentum(norm))
    inverse = torch.rsqrt(variance + norm.eps)
    scale = norm.weight * inverse
    shift = norm.bias - mean * scale
    y = torch.addcmul(shift[:, None, None], x, scale[:, None, None], out=x if in_place else None)
    return y, Normalised(x, mean, inverse)


def normalise_backward(
    gradient: Tensor, saved: Normalised, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """dL/dx, dL/dweight and dL/dbias from dL/dy."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        gradient, saved.input, weight, None, None, saved.mean, saved.inverse, True, eps, [True, True, True]
    )
    return found


def count_batch(norm: nn.BatchNorm2d) -> bool:
    """Whether this batch's statistics are to be recorded; counts it if so."""
    if not norm.track_running_stats or norm.num_batches_tracked is None:
        return False
    norm.num_batches_tracked.add_(1)
    return True


def momentum(norm: nn.BatchNorm2d) -> float:
    """Weight of the new batch in the running statistics."""
    assert norm.momentum is not None, "an average over all batches has no such weight"
    return norm.momentum


def relu6_(x: Tensor) -> Tensor:
    """ReLU6 in place."""
    return torch.clamp_(x, 0.0, 6.0)


def relu6_backward_(gradient: Tensor, output: Tensor) -> Tensor:
    """dL/dx in dL/dy's place; the output tells where ReLU6 clipped."""
    torch.ops.aten.hardtanh_backward.grad_input(gradient, output, 0.0, 6.0, grad_input=gradient)
    return gradient
