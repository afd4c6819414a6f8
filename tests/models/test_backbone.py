"""Backbones: 25 steps of 512 on every typical path, costs measured on the running network."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autostr_nni.models.backbone import Backbone, to_sequence
from autostr_nni.models.depthwise import DepthwiseConv
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, total
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.system.errors import InputError

PAPER = SearchSpace()
SMALL = SearchSpace(stem_width=8, stage_widths=(8,) * 5, stage_layers=(2, 1, 1, 1, 2))


def measured_macs(network: nn.Module, x: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    return counter.get_total_flops() // 2


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("path", PAPER.typical_paths(), ids=lambda path: path.text())
def test_every_typical_path_gives_25_steps_of_512(path):
    architecture = PAPER.default_architecture(path, "k3e1")
    network = Backbone(architecture, PAPER).eval()
    x = torch.zeros(1, 3, 32, 100)
    with torch.no_grad():
        assert network(x).shape == (1, 25, 512)
    assert network.out_channels == 512


def test_found_iiit5k_network_has_the_published_cost():
    architecture, _ = lookup("autostr-iiit5k")
    network = Backbone(architecture, PAPER).eval()
    assert parameters(network) == 2_364_128
    assert measured_macs(network, torch.zeros(1, 3, 32, 100)) == 246_739_200


def test_thop_counts_the_same_convolutions():
    from thop import profile
    from thop.vision.basic_hooks import count_convNd

    architecture, _ = lookup("autostr-iiit5k")
    network = copy.deepcopy(Backbone(architecture, PAPER)).eval()
    norms: list[int] = []
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.register_forward_hook(lambda m, args, out: norms.append(args[0].numel()))
    operations, count = profile(
        network, inputs=(torch.zeros(1, 3, 32, 100),), custom_ops={DepthwiseConv: count_convNd}, verbose=False
    )
    # thop adds 4 operations per element that an affine BatchNorm normalises.
    assert operations - 4 * sum(norms) == 246_739_200
    assert count == 2_364_128


@pytest.mark.parametrize("name", ["mbconv-k5e6", "aster"])
def test_named_networks_match_the_counts(name):
    architecture, stage_layers = lookup(name)
    space = SearchSpace(stage_layers=stage_layers)
    network = Backbone(architecture, space).eval()
    cost = total(backbone_costs(architecture, space))
    assert (measured_macs(network, torch.zeros(1, 3, 32, 100)), parameters(network)) == (
        cost.macs,
        cost.params,
    )


@pytest.mark.parametrize("projection_skip", [False, True])
def test_random_small_networks_match_the_counts(projection_skip):
    space = SearchSpace(
        stem_width=8,
        stage_widths=(8, 8, 16, 16, 24),
        stage_layers=(2, 1, 2, 1, 2),
        projection_skip=projection_skip,
    )
    rng = random.Random(0)
    x = torch.zeros(1, 3, 32, 100)
    for _ in range(5):
        architecture = space.sample(rng)
        network = Backbone(architecture, space).eval()
        cost = total(backbone_costs(architecture, space))
        assert network(x).shape == (1, 25, 24)
        assert (measured_macs(network, x), parameters(network)) == (cost.macs, cost.params)


def test_sequence_runs_from_left_to_right():
    features = torch.arange(10.0).view(1, 2, 1, 5)
    assert torch.equal(to_sequence(features)[0, :, 0], torch.arange(5.0))
    assert torch.equal(to_sequence(features)[0, :, 1], torch.arange(5.0, 10.0))


def test_architecture_of_another_space_is_refused():
    path = StridePath.parse("ABABB", PAPER.stage_layers)
    with pytest.raises(InputError):
        Backbone(PAPER.default_architecture(path), SMALL)
    with pytest.raises(InputError, match="layer 1"):
        Backbone(Architecture(path, ("skip",) * 15), PAPER)


def test_the_seed_decides_the_weights():
    architecture = SMALL.default_architecture(SMALL.typical_paths()[0], "k3e3")
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(Backbone(architecture, SMALL).state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0]["stem.conv.weight"], weights[2]["stem.conv.weight"])
