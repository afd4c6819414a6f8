"""PyTorch on a CPU or a GPU, as `autostr read` uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autostr_nni.latency.clock import Clock, CudaClock
from autostr_nni.latency.runtime import PASSES, for_reading
from autostr_nni.latency.settings import Settings
from autostr_nni.models.backbone import Backbone, build_stem
from autostr_nni.models.operations import build_operation
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.latency import Block, backbone_blocks
from autostr_nni.search_spaces.space import SearchSpace

#: Side of the maps that a block's BatchNorms take their statistics from.
_SIDE = 16


class TorchRuntime:
    """PyTorch on a CPU; modules are kept, so that every round meets the same ones."""

    device = "cpu"
    clock = Clock()

    def __init__(self, space: SearchSpace, settings: Settings) -> None:
        self.space = space
        self.dtype: torch.dtype = getattr(torch, settings.precision)
        pixels = torch.rand(settings.batch, 3, space.height, space.width) * 2 - 1
        self.images = self._placed(pixels.contiguous(memory_format=torch.channels_last))
        self.stem = self._ready(build_stem(space.stem_width), 3)
        self.modules: dict[tuple[Any, ...], nn.Module] = {}
        self.nets: dict[Architecture, nn.Module] = {}

    def parts(self, net: Architecture) -> list[list[int]]:
        modules = [self.stem, *(self._module(block) for block in backbone_blocks(net, self.space))]
        return self._timed(modules)

    def whole(self, net: Architecture) -> list[int]:
        if net not in self.nets:
            module = for_reading(Backbone(net, self.space), torch.randn(2, *self.images.shape[1:]))
            self.nets[net] = self._placed(module)
        return [sum(times) for times in self._timed([self.nets[net]])]

    def _module(self, block: Block) -> nn.Module:
        op, cin, cout, _, _, stride = block
        key = (op, cin, cout, stride)
        if key not in self.modules:
            module = build_operation(op, cin, cout, stride, self.space.projection_skip)
            self.modules[key] = self._ready(module, cin)
        return self.modules[key]

    def _ready(self, module: nn.Module, cin: int) -> nn.Module:
        ready: nn.Module = self._placed(for_reading(module, torch.randn(2, cin, _SIDE, _SIDE)))
        return ready

    def _placed(self, thing: Any) -> Any:
        return thing.to(self.device, self.dtype)

    def _timed(self, modules: Sequence[Callable[[Tensor], Tensor]]) -> list[list[int]]:
        """Nanoseconds of each module in passes of all of them."""
        return self.clock.passes(modules, self.images, PASSES)


class CudaRuntime(TorchRuntime):
    """PyTorch on a GPU."""

    device = "cuda"
    clock = CudaClock()
