"""Where the fused mathematics may stand in for the plain modules, and where it is faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autostr_nni.models.depthwise import DepthwiseConv

#: Numbers in a block's widest map from which fused is faster (benchmarks/RESULTS.md, *Training step*): below,
#: its calls cost more than the passes over memory that they save.
LEAST = 800_000
#: The same with gradients and a kernel wider than 3, whose weight gradient gains most.
LEAST_WIDE_KERNEL = 250_000


def pays(x: Tensor, hidden: int, kernel: int) -> bool:
    """Whether a block that widens x to ``hidden`` channels is large enough."""
    least = LEAST_WIDE_KERNEL if kernel > 3 and torch.is_grad_enabled() else LEAST
    return x.numel() // x.shape[1] * hidden >= least


def fits(module: nn.Module, x: Tensor) -> bool:
    """Whether ``module`` and all in it would run on x as plain training on CPU in full precision.

    Elsewhere (GPU, autocast, evaluation, tracing and export, hooks that want to see the inner modules) the
    modules themselves run, which always give the same numbers.
    """
    return (
        module.training
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.numel() > x.shape[1] * x.shape[2] * x.shape[3]  # one image alone may have no statistics
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and all(_plain(part, x) for part in module.modules() if part is not module)
    )


def _plain(module: nn.Module, x: Tensor) -> bool:
    """Whether a part is the very kind that is computed here, as it stands."""
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
        return False
    if type(module) is nn.BatchNorm2d:
        return module.training and module.momentum is not None and module.weight.dtype == x.dtype
    if type(module) in (nn.Conv2d, DepthwiseConv):
        return module.weight.dtype == x.dtype
    return type(module) in (nn.Sequential, nn.ReLU6)
