"""The supernet over all paths: its nets compute what they compute alone; weights by layer and operation."""

from __future__ import annotations

import random

import pytest
import torch

from autostr_nni.models.backbone import Backbone
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.one_shot import OneShotSupernet

OPERATIONS = ("k3e1", "k5e3", "res3", "skip")
SPACE = SearchSpace(stem_width=8, stage_widths=(8,) * 5, stage_layers=(2, 1, 1, 1, 2), operations=OPERATIONS)
WIDE = SearchSpace(
    stem_width=4, stage_widths=(4, 6, 8), stage_layers=(2, 2, 3), operations=OPERATIONS, projection_skip=True
)


def made(space: SearchSpace) -> OneShotSupernet:
    torch.manual_seed(0)
    return OneShotSupernet(space=space)


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["plain", "projections"])
def test_a_chosen_net_computes_what_it_computes_alone(space: SearchSpace) -> None:
    supernet = made(space)
    for seed in range(6):
        net = space.sample(random.Random(seed))
        alone = Backbone(net, space)
        alone.load_state_dict(supernet.net_state(net))
        supernet.choose(net)
        x = torch.randn(2, 3, 32, 100)
        assert torch.equal(alone(x), supernet(x))


def test_an_operation_has_one_set_of_weights_at_all_strides() -> None:
    supernet = made(SPACE)
    for operation, names in {"k3e1": 6, "k5e3": 9}.items():
        modules = [supernet.blocks[1].module(operation, stride) for stride in SPACE.paths.options]
        kept = [dict(module.named_parameters()) for module in modules]
        assert len(modules) == 3 and all(len(one) == names for one in kept)
        assert all(one[name] is kept[0][name] for one in kept for name in one)
    assert [supernet.blocks[1].module("k3e1", stride).residual for stride in SPACE.paths.options] == [
        False,
        False,
        True,
    ]


def test_what_only_some_strides_have_is_shared_among_these() -> None:
    block = made(SPACE).blocks[1]
    strided = [dict(block.module("res3", stride).named_parameters()) for stride in ((2, 2), (2, 1))]
    plain = dict(block.module("res3", (1, 1)).named_parameters())
    assert strided[0].keys() > plain.keys()
    assert all(strided[0][name] is strided[1][name] for name in strided[0])
    assert all(plain[name] is strided[0][name] for name in plain)


def test_only_the_chosen_net_learns() -> None:
    supernet = made(SPACE)
    net = Architecture.parse("ABABB:k3e1,skip,k5e3,k3e1,k5e3,res3,skip", SPACE)
    supernet.choose(net)
    supernet(torch.randn(2, 3, 32, 100)).square().mean().backward()
    learnt = {id(p) for p in supernet.parameters() if p.grad is not None}
    layers = zip(supernet.blocks, net.operations, net.path.strides, strict=True)
    chosen = [block.module(operation, stride) for block, operation, stride in layers]
    assert learnt == {id(p) for module in [supernet.stem, *chosen] for p in module.parameters()}


def test_weights_kept_are_weights_found_again() -> None:
    supernet, other = made(SPACE), made(SPACE)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(torch.randn_like(parameter))
    other.load_state_dict(supernet.state_dict())
    net = SPACE.sample(random.Random(3))
    x = torch.randn(2, 3, 32, 100)
    for one in (supernet, other):
        one.choose(net)
    assert torch.equal(supernet(x), other(x))
