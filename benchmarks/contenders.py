"""What the search step's benchmarks run: our supernet, a plain network of its operations, NNI's Proxyless."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from nni.nas.strategy import Proxyless
from torch import Tensor, nn

from autostr_nni.models.backbone import Backbone
from autostr_nni.models.operations import MBConv
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.nni_space import AutoSTRSpace
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.architecture_step import architecture_step
from autostr_nni.supernet.supernet import Supernet

SPACE = SearchSpace()
PATH = StridePath.parse("ABABB", SPACE.stage_layers)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def precision() -> AbstractContextManager[None]:
    """bfloat16 on a GPU, else float32 throughout."""
    return torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda")


def weight_optimizer(parameters: Any) -> torch.optim.Optimizer:
    """The optimizer of the weights, as trials have it."""
    return torch.optim.Adadelta(parameters, foreach=True)


class PlainBlock(nn.Module):
    """An MBConv's own layers, run one after another by torch alone."""

    def __init__(self, block: MBConv) -> None:
        super().__init__()
        self.body, self.residual = block.body, block.residual

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + out if self.residual else out


def plain(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    """The blocks by torch's own convolutions alone."""
    return [PlainBlock(block) if isinstance(block, MBConv) else block for block in blocks]


class Ours:
    """Our supernet with its architecture parameters."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.net = Supernet(PATH, SPACE).to(DEVICE, memory_format=torch.channels_last)
        table = MACS.table(PATH, SPACE)
        macs = [
            [costs[n] for n in block.names]
            for block, costs in zip(self.net.choice_blocks, table, strict=True)
        ]
        self.arch = ArchitectureParameters(macs, MACS.fixed(SPACE)).to(DEVICE)
        self.optimizer = weight_optimizer(self.net.parameters())
        self.arch_optimizer = torch.optim.Adam(self.arch.parameters(), lr=1e-3, betas=(0.0, 0.999))

    def choose(self, indices: list[int]) -> None:
        self.net.choose(indices)

    def loss(self) -> Tensor:
        with precision():
            return self.net(self.images).float().square().mean()

    def weight_step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.loss().backward()
        self.optimizer.step()

    def arch_step(self) -> None:
        self.arch_optimizer.zero_grad(set_to_none=True)
        architecture_step(self.net, self.net, self.arch, self.loss, g=450e6, beta=0.6)
        self.arch_optimizer.step()


class Plain:
    """Floor (b): nothing but the sampled operations."""

    def __init__(self, images: Tensor, architecture: Architecture) -> None:
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.net = Backbone(architecture, SPACE).to(memory_format=torch.channels_last)
        self.net.blocks = nn.ModuleList(plain(self.net.blocks))
        self.net.to(DEVICE)
        self.optimizer = weight_optimizer(self.net.parameters())

    def weight_step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with precision():
            loss = self.net(self.images).float().square().mean()
        loss.backward()
        self.optimizer.step()


class NniProxyless:
    """NNI 3.0's own ProxylessNAS on the space that our supernet is, its blocks without our mathematics."""

    def __init__(self, images: Tensor, memory_format: torch.memory_format) -> None:
        self.images = images.contiguous(memory_format=memory_format)
        space = AutoSTRSpace(SPACE, path=PATH.full_text).to(DEVICE, memory_format=memory_format)
        for block in space.blocks:
            for name, candidate in zip(block.names, plain(block), strict=True):
                block[name] = candidate
        self.net = Proxyless().mutate_model(space).to(DEVICE)
        self.layers = list(self.net.blocks)
        alphas = {id(layer._arch_alpha) for layer in self.layers}
        self.optimizer = weight_optimizer([p for p in self.net.parameters() if id(p) not in alphas])
        self.arch_optimizer = torch.optim.Adam([layer._arch_alpha for layer in self.layers], lr=1e-3)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        for layer in self.layers:
            layer.resample({})
        optimizer.zero_grad(set_to_none=True)
        with precision():
            loss = self.net(self.images).float().square().mean()
        loss.backward()
        optimizer.step()
