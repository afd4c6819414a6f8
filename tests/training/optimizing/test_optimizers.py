"""Optimizers of recipes: torch's own, all parameters at once, and states of older checkpoints."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn

from autostr_nni.recipe.training import OptimizerSection
from autostr_nni.training.optimizing.optimizers import build_optimizer

KINDS = {"adadelta": torch.optim.Adadelta, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def make() -> nn.Module:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 3), nn.LSTM(4, 3))
    return net.to(memory_format=torch.channels_last)


def run(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    """Gradients laid out like autograd's; none for the second convolution, as where it was not drawn."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for name, p in net.named_parameters():
            drawn = torch.randn(p.shape, generator=generator)
            p.grad = None if name.startswith("2") else torch.empty_like(p).copy_(drawn * 0.1)
        optimizer.step()


@pytest.mark.parametrize("name", KINDS)
def test_all_at_once_is_one_by_one(name: str) -> None:
    ours = make()
    theirs = copy.deepcopy(ours)
    section = OptimizerSection(name=name, lr=1e-3, weight_decay=0.01)
    own = {"rho": section.rho} if name == "adadelta" else {"betas": section.betas}
    options = {"lr": section.lr, "eps": section.eps, "weight_decay": 0.01, **own}
    run(ours, build_optimizer(ours.parameters(), section), range(10))
    run(theirs, KINDS[name](theirs.parameters(), foreach=False, **options), range(10))
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-7)


def in_one_tensor(optimizer: torch.optim.Optimizer) -> None:
    """ADADELTA's states as versions before 0.2.0 kept them: parts of one tensor, and of every parameter."""
    params: list[Tensor] = optimizer.param_groups[0]["params"]
    steps = torch.zeros(len(params))
    flat = {name: torch.zeros(sum(p.numel() for p in params)) for name in ("square_avg", "acc_delta")}
    start = 0
    for number, p in enumerate(params):
        parts = {name: line.as_strided(p.shape, p.stride(), start) for name, line in flat.items()}
        for name, part in {"step": steps[number], **parts}.items():
            if optimizer.state[p]:
                part.copy_(optimizer.state[p][name])
        optimizer.state[p].update({"step": steps[number], **parts})
        start += p.numel()


def test_states_of_an_older_checkpoint_go_on_exactly() -> None:
    net = make()
    section = OptimizerSection(name="adadelta")
    whole = copy.deepcopy(net)
    run(whole, build_optimizer(whole.parameters(), section), range(12))
    before = build_optimizer(net.parameters(), section)
    run(net, before, range(6))
    in_one_tensor(before)
    file = io.BytesIO()
    torch.save(before.state_dict(), file)
    file.seek(0)
    after = build_optimizer(net.parameters(), section)
    after.load_state_dict(torch.load(file, weights_only=True))
    run(net, after, range(6, 12))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), whole.parameters(), strict=True))
