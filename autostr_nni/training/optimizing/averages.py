"""Averages of weights over the steps of a training."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(net: nn.Module, decay: float) -> AveragedModel:
    """A net whose weights and running statistics are the exponential moving averages of ``net``'s.

    The first steps count more, so that it does not begin with the weights that nothing had learnt yet.
    """
    averaged = AveragedModel(net, multi_avg_fn=partial(towards, decay), use_buffers=True)
    return averaged.requires_grad_(False)


def towards(decay: float, averages: Any, weights: Any, count: Tensor | int) -> None:
    """Move averages of ``count`` steps towards the weights, by torch's own rule."""
    now = min(decay, (1 + int(count)) / (10 + int(count)))
    get_ema_multi_avg_fn(now)(averages, weights, count)  # type: ignore[no-untyped-call]
