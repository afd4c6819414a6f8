"""The whole MBConv in training mode as one step of autograd, which owns its buffers.

It computes what the plain modules compute, in fewer passes: the expansion is folded with its BatchNorm where
that pays, ReLU6 and its gradient work in place, and the depthwise weight gradient takes oneDNN's fast way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from autostr_nni.models.fused import depthwise, pointwise
from autostr_nni.models.fused.expansion import Folded, Moments, expand, expand_backward, folds, moments
from autostr_nni.models.fused.normalise import (
    Normalised,
    normalise,
    normalise_backward,
    relu6_,
    relu6_backward_,
)


class ConvNorm(NamedTuple):
    """A convolution without bias and its BatchNorm."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """What is learnt, in the order in which gradients are returned."""
        return self.conv.weight, self.norm.weight, self.norm.bias


@dataclass(frozen=True)
class Parts:
    """The modules of an MBConv; ``expand`` is None for expansion 1."""

    expand: ConvNorm | None
    depthwise: ConvNorm
    project: ConvNorm
    residual: bool

    def weights(self) -> list[Tensor]:
        """All that is learnt, first layer first."""
        units = (self.expand, self.depthwise, self.project)
        return [weight for unit in units if unit is not None for weight in unit.weights()]


class Tape(NamedTuple):
    """What the backward pass needs of the forward pass."""

    wide: Tensor  # [B, hidden, H, W], the depthwise convolution's input
    narrow: Tensor  # [B, hidden, h, w], the projection's input
    expansion: Folded | Normalised | None
    filtered: Normalised
    projected: Normalised


def mbconv(x: Tensor, parts: Parts, given: Moments | None = None) -> Tensor:
    """The block's output in training mode; ``given`` are x's moments where they are known already."""
    if torch.is_grad_enabled():
        out: Tensor = _MBConv.apply(x, parts, given, *parts.weights())  # type: ignore[no-untyped-call]
        return out
    wide = _expand(x, parts.expand, given, in_place=True)[0]
    narrow = _filter(wide, parts.depthwise.conv)
    del wide  # the largest tensor of all
    relu6_(normalise(narrow, parts.depthwise.norm, in_place=True)[0])
    return _project(narrow, x, parts, in_place=True)[0]


def _expand(
    x: Tensor, unit: ConvNorm | None, given: Moments | None, in_place: bool = False
) -> tuple[Tensor, Folded | Normalised | None]:
    if unit is None:
        return x, None
    if folds(x):
        return expand(x, moments(x) if given is None else given, *unit)
    wide, saved = normalise(pointwise.convolve(x, unit.conv.weight), unit.norm, in_place)
    return relu6_(wide), saved


def _filter(wide: Tensor, conv: nn.Conv2d) -> Tensor:
    return torch.conv2d(wide, conv.weight, None, conv.stride, conv.padding, 1, conv.groups)


def _project(narrow: Tensor, x: Tensor, parts: Parts, in_place: bool = False) -> tuple[Tensor, Normalised]:
    conv, norm = parts.project
    out, saved = normalise(pointwise.convolve(narrow, conv.weight), norm, in_place)
    return out.add_(x) if parts.residual else out, saved


class _MBConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, parts: Parts, given: Moments | None, *weights: Tensor) -> Tensor:
        wide, expansion = _expand(x, parts.expand, given)
        narrow, filtered = normalise(_filter(wide, parts.depthwise.conv), parts.depthwise.norm)
        relu6_(narrow)
        out, projected = _project(narrow, x, parts)
        ctx.parts, ctx.kind = parts, type(expansion)
        ctx.save_for_backward(x, *weights, wide, narrow, *filtered, *projected, *(expansion or ()))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        parts: Parts = ctx.parts
        count = len(parts.weights())
        x, *rest = ctx.saved_tensors
        weights, (wide, narrow, *rest) = rest[:count], rest[count:]
        expansion = ctx.kind(*rest[6:]) if rest[6:] else None
        tape = Tape(wide, narrow, expansion, Normalised(*rest[:3]), Normalised(*rest[3:6]))
        dx, gradients = _backward(gradient, x, weights, tape, parts, any(ctx.needs_input_grad[3:]))
        return dx, None, None, *gradients


def _backward(
    gradient: Tensor, x: Tensor, weights: list[Tensor], tape: Tape, parts: Parts, weights_too: bool
) -> tuple[Tensor, list[Tensor | None]]:
    """dL/dx and the gradients of the weights, all None unless ``weights_too``."""
    conv, norm = weights[-3:-1]
    g, *d_project = normalise_backward(gradient, tape.projected, norm, parts.project.norm.eps)
    d_conv = pointwise.weight_gradient(g, tape.narrow, conv) if weights_too else None
    gradients = [d_conv, *d_project]
    g = relu6_backward_(pointwise.input_gradient(g, tape.narrow, conv), tape.narrow)

    conv, norm = weights[-6:-4]
    g, *d_depthwise = normalise_backward(g, tape.filtered, norm, parts.depthwise.norm.eps)
    kernel = parts.depthwise.conv.kernel_size[0]
    down, along = parts.depthwise.conv.stride
    stride = down, along
    d_conv = depthwise.weight_gradient(g, tape.wide, kernel, stride) if weights_too else None
    gradients = [d_conv, *d_depthwise, *gradients]
    g = depthwise.input_gradient(g, tape.wide, conv, stride)

    if parts.expand is not None:
        relu6_backward_(g, tape.wide)
        conv, norm = weights[:2]
        if isinstance(tape.expansion, Folded):
            g, *d_expand = expand_backward(g, x, tape.expansion, conv, weights_too)
        else:
            assert tape.expansion is not None
            g, *d_norm = normalise_backward(g, tape.expansion, norm, parts.expand.norm.eps)
            d_expand = [pointwise.weight_gradient(g, x, conv) if weights_too else None, *d_norm]
            g = pointwise.input_gradient(g, x, conv)
        gradients = [*d_expand, *gradients]
    if parts.residual:
        g = g.add_(gradient)
    return g, gradients if weights_too else [None] * len(weights)
