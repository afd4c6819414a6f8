"""FlatAdadelta is Adadelta, to the bit: whatever has a gradient, and from any checkpoint."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import nn

from autostr_nni.recipe.training import OptimizerSection
from autostr_nni.training import flat_adadelta
from autostr_nni.training.flat_adadelta import FlatAdadelta
from autostr_nni.training.optimizers import build_optimizer

RATES = {"lr": 0.7, "rho": 0.9, "eps": 1e-6}


def make(channels_last: bool = False, dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 3), nn.LSTM(4, 3))
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    return net.to(dtype)


def fill(net: nn.Module, seed: int, without: str = "-") -> None:
    """Gradients laid out like autograd's; none for the parameters whose name begins with ``without``."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in net.named_parameters():
        drawn = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        p.grad = None if name.startswith(without) else torch.empty_like(p).copy_(drawn * 0.1)


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def run(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range, without: dict[int, str]) -> None:
    for step in steps:
        fill(net, step, without.get(step, "-"))
        optimizer.step()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_weights_and_states(channels_last: bool, dtype: torch.dtype) -> None:
    ours = make(channels_last, dtype)
    theirs = copy.deepcopy(ours)
    optimizers = FlatAdadelta(ours.parameters(), **RATES), torch.optim.Adadelta(theirs.parameters(), **RATES)
    for net, optimizer in zip((ours, theirs), optimizers, strict=True):
        run(net, optimizer, range(25), without={})
    assert same(ours, theirs)
    for mine, other in zip(*(o.state_dict()["state"].values() for o in optimizers), strict=True):
        assert mine.keys() == other.keys()
        assert all(torch.equal(mine[key], other[key]) for key in mine)


@pytest.mark.parametrize("without", [{0: "0", 1: "2", 7: "2", 8: "3"}, {0: "-", 5: "1"}])
def test_parameters_without_gradients_stay(without: dict[int, str]) -> None:
    ours = make()
    theirs = copy.deepcopy(ours)
    run(ours, FlatAdadelta(ours.parameters(), **RATES), range(12), without)
    run(theirs, torch.optim.Adadelta(theirs.parameters(), **RATES), range(12), without)
    assert same(ours, theirs)


@pytest.mark.parametrize(
    "first, second", [(FlatAdadelta, torch.optim.Adadelta), (torch.optim.Adadelta, FlatAdadelta)]
)
def test_either_goes_on_from_the_others_checkpoint(
    first: type[torch.optim.Optimizer], second: type[torch.optim.Optimizer]
) -> None:
    net = make()
    whole = copy.deepcopy(net)
    run(whole, torch.optim.Adadelta(whole.parameters(), **RATES), range(12), {})
    before = first(net.parameters(), **RATES)
    run(net, before, range(6), {})
    file = io.BytesIO()
    torch.save(before.state_dict(), file)
    file.seek(0)
    after = second(net.parameters(), **RATES)
    run(net, after, range(0), {})
    after.load_state_dict(torch.load(file, weights_only=True))
    run(net, after, range(6, 12), {})
    assert same(net, whole)


@pytest.mark.parametrize("piece", [1, 7, 40, 200])
@pytest.mark.parametrize("channels_last", [False, True])
def test_however_many_numbers_at_a_time(piece: int, channels_last: bool, monkeypatch) -> None:
    monkeypatch.setattr(flat_adadelta, "PIECE", piece)  # the net's parameters have 5 to 180 numbers
    ours = make(channels_last)
    theirs = copy.deepcopy(ours)
    without = {0: "1", 2: "0", 3: "3", 5: "2"}
    run(ours, FlatAdadelta(ours.parameters(), **RATES), range(8), without)
    run(theirs, torch.optim.Adadelta(theirs.parameters(), **RATES), range(8), without)
    assert same(ours, theirs)


def test_a_gradient_laid_out_otherwise(monkeypatch) -> None:
    monkeypatch.setattr(flat_adadelta, "PIECE", 50)
    ours = make()
    theirs = copy.deepcopy(ours)
    for net, kind in ((ours, FlatAdadelta), (theirs, torch.optim.Adadelta)):
        optimizer = kind(net.parameters(), **RATES)
        for step in range(3):
            fill(net, step)
            for p in (net[0].weight, net[2].weight):
                p.grad = p.grad.contiguous(memory_format=torch.channels_last)
            optimizer.step()
    assert same(ours, theirs)


def test_weight_decay_and_a_rate_that_changes() -> None:
    ours = make()
    theirs = copy.deepcopy(ours)
    for net, kind in ((ours, FlatAdadelta), (theirs, torch.optim.Adadelta)):
        optimizer = kind(net.parameters(), weight_decay=0.01, **RATES)
        run(net, optimizer, range(4), {})
        optimizer.param_groups[0].update(lr=0.1, weight_decay=0.0)
        run(net, optimizer, range(4, 8), {})
    assert same(ours, theirs)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_all_at_once_is_one_by_one(name: str) -> None:
    ours = make()
    theirs = copy.deepcopy(ours)
    section = OptimizerSection(name=name, lr=1e-3, weight_decay=0.01)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    options = {"betas": section.betas, "eps": section.eps, "weight_decay": section.weight_decay}
    run(ours, build_optimizer(ours.parameters(), section), range(10), {})
    run(theirs, kind(theirs.parameters(), lr=section.lr, foreach=False, **options), range(10), {})
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-7)
