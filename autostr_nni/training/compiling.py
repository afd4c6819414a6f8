"""`training.compile`: the backbone of a net that stays the same, compiled by torch for whole batches."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from autostr_nni.training.distributed.group import Team


def compile_backbone(backbone: nn.Module, device: torch.device, team: Team) -> bool:
    """Have ``backbone`` compiled at its next call; whether it will be. Says what it does in a line.

    Names and values of the weights stay as they are, and so do checkpoints. Where nothing can be compiled
    the net trains as it is.
    """
    if team.size > 1:
        reason: str | None = f"{team.size} devices share each batch, and their BatchNorms talk to one another"
    else:
        reason = no_compiler(device)
    if reason is not None:
        if team.leads:
            print(f"training.compile is left out: {reason}", flush=True)
        return False
    print("training.compile: the first step compiles the backbone, which takes minutes", flush=True)
    backbone.compile(dynamic=False)
    return True


def whole_batches_only(compiled: bool) -> AbstractContextManager[Any]:
    """Within, what is compiled runs as it is: other batches, and evaluation, would each be compiled again."""
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def no_compiler(device: torch.device) -> str | None:
    """Why nothing can be compiled for ``device``, from trying the least; None where it can."""
    try:
        with torch.no_grad():
            torch.compile(_least, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:  # of torch's compilers, each has errors of its own
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        wanted = "Triton and a C compiler" if device.type == "cuda" else "a C++ compiler"
        return f"torch finds no compiler that works ({type(error).__name__}: {said[:120]}); it needs {wanted}"
    return None


def _least(x: torch.Tensor) -> torch.Tensor:
    return x * 2 + 1
