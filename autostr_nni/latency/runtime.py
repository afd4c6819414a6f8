"""What can time nets: their parts, one after another, and whole ones."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from autostr_nni.latency.settings import Settings
from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace

#: Passes that are timed, after one that is not: it fills caches, and prepares what a shape needs once.
PASSES = 3


class Runtime(Protocol):
    """Times backbones of a space, in nanoseconds of a pass of a whole batch."""

    def parts(self, net: Architecture) -> list[list[int]]:
        """Of every pass the stem's nanoseconds, and then each layer's, as measured while the net runs."""

    def whole(self, net: Architecture) -> list[int]:
        """Of every pass the nanoseconds of the backbone as it is used, with nothing measured within."""


def start(space: SearchSpace, settings: Settings) -> Runtime:
    """The runtime of the settings, which are checked before."""
    from autostr_nni.system.freed_memory import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    if settings.runtime == "onnxruntime-cpu":
        from autostr_nni.latency.onnx_runtime import OnnxRuntime

        return OnnxRuntime(space, settings)
    from autostr_nni.latency.torch_runtime import CudaRuntime, TorchRuntime

    return (CudaRuntime if settings.runtime == "torch-cuda" else TorchRuntime)(space, settings)


def for_reading(module: nn.Module, example: Tensor) -> nn.Module:
    """A module as nets are read with: BatchNorms folded in, channels last.

    Its BatchNorms first take their statistics from `example`: else numbers shrink from layer to layer, and
    arithmetic with the very smallest is slow on some CPUs.
    """
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        module.train()(example)
        ready = folded(module)
    return ready.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
