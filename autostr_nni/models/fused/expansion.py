"""1x1 convolution, BatchNorm and ReLU6 without a pass over the wide tensor for BatchNorm's sake.

A 1x1 convolution is linear, so the batch statistics of its output follow from those of its narrow input:
with mean m and covariance S of x, those of W x are W m and diag(W S W'). BatchNorm then becomes a scale and a
shift of the convolution's weights, and its backward pass adds a small product to the gradient of x. The wide
tensor is written once and clipped in place.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from autostr_nni.models.fused import pointwise
from autostr_nni.models.fused.normalise import count_batch, momentum, relu6_

#: Beyond, products with the covariance cost more than BatchNorm's own passes (measured at 32 to 512).
MOST_CHANNELS = 64


class Moments(NamedTuple):
    """Mean ``[C]`` and biased covariance ``[C, C]`` of pixels."""

    mean: Tensor
    covariance: Tensor


class Folded(NamedTuple):
    """What the backward pass of a folded expansion needs."""

    mean: Tensor  # [C], of the input
    covariance: Tensor  # [C, C], of the input
    weight: Tensor  # [C', C, 1, 1], the folded one
    scale: Tensor  # [C'], BatchNorm's weight / standard deviation
    inverse: Tensor  # [C'], 1 / standard deviation


def folds(x: Tensor) -> bool:
    """Whether folding is worth it for this input ``[B, C, H, W]``."""
    batch, channels, height, width = x.shape
    return channels <= MOST_CHANNELS and batch * height * width >= 16 * channels


def moments(x: Tensor) -> Moments:
    """Mean and covariance over batch and pixels of ``[B, C, H, W]``; centred first, for float32's sake."""
    pixels = pointwise.rows(x)
    mean = pixels.mean(0)
    centred = pixels - mean
    return Moments(mean, (centred.t() @ centred) / len(pixels))


def expand(x: Tensor, given: Moments, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Folded]:
    """``relu6(norm(conv(x)))`` ``[B, C', H, W]`` in training mode; records the running statistics."""
    weight = conv.weight.flatten(1)
    mean = weight @ given.mean
    variance = torch.sum((weight @ given.covariance) * weight, 1).clamp_(min=0)
    if count_batch(norm):
        assert norm.running_mean is not None and norm.running_var is not None
        count = x.numel() // x.shape[1]
        unbiased = variance * (count / (count - 1))
        norm.running_mean.lerp_(mean, momentum(norm))
        norm.running_var.lerp_(unbiased, momentum(norm))
    inverse = torch.rsqrt(variance + norm.eps)
    scale = norm.weight * inverse
    folded = (weight * scale[:, None]).view_as(conv.weight)
    wide = pointwise.convolve(x, folded, norm.bias - scale * mean)
    return relu6_(wide), Folded(*given, folded, scale, inverse)


def expand_backward(
    gradient: Tensor, x: Tensor, saved: Folded, conv_weight: Tensor, weights_too: bool
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """dL/dx, dL/dconv.weight, dL/dnorm.weight and dL/dnorm.bias (None unless ``weights_too``).

    ``gradient`` is dL/d(wide) before ReLU6, that is, already zero where ReLU6 clipped.
    """
    mean, covariance, folded, scale, inverse = saved
    count = x.numel() // x.shape[1]
    weight = conv_weight.flatten(1)
    d_folded = pointwise.weight_gradient(gradient, x, conv_weight).flatten(1)
    d_shift = gradient.sum((0, 2, 3))
    # y = scale * (W x - W m) + bias with scale = norm.weight / sqrt(diag(W S W') + eps)
    d_scale = torch.sum(d_folded * weight, 1) - d_shift * (weight @ mean)
    d_variance = d_scale * scale * inverse.square() * -0.5
    d_mean = -d_shift * scale  # of W m
    # S and m lead back to every pixel: dS gives 2 (x - m) dS / N, dm gives dm / N.
    towards = (weight * d_variance[:, None]).t() @ weight * (2 / count)
    constant = (weight.t() @ d_mean) / count - mean @ towards
    dx = pointwise.input_gradient(gradient, x, folded)
    pixels = pointwise.rows(dx)
    pixels.addmm_(pointwise.rows(x), towards).add_(constant)
    dx = pointwise.image(pixels, x)
    if not weights_too:
        return dx, None, None, None
    d_weight = d_folded * scale[:, None] + torch.outer(d_mean, mean)
    d_weight.add_((weight @ covariance) * (2 * d_variance)[:, None])
    return dx, d_weight.view_as(conv_weight), d_scale * inverse, d_shift
