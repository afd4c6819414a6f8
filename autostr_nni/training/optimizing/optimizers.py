"""Optimizers from the recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from autostr_nni.recipe.training import OptimizerSection


def build_optimizer(parameters: Iterable[nn.Parameter], section: OptimizerSection) -> torch.optim.Optimizer:
    """ADADELTA (the paper's), Adam or AdamW with the recipe's values.

    All parameters are updated in few calls, with the same figures. Torch does so by itself on GPUs only; on a
    CPU some calls for every parameter are a good part of a small net's step.
    """
    o = section
    common: dict[str, Any] = {"lr": o.lr, "eps": o.eps, "weight_decay": o.weight_decay, "foreach": True}
    if o.name == "adadelta":
        return torch.optim.Adadelta(parameters, rho=o.rho, **common)
    kind: Any = torch.optim.AdamW if o.name == "adamw" else torch.optim.Adam
    made: torch.optim.Optimizer = kind(parameters, betas=o.betas, **common)
    return made
