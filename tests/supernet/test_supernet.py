"""The supernet: only what is drawn runs and learns, and it computes what the architecture computes."""

from __future__ import annotations

import math

import pytest
import torch

from autostr_nni.models.backbone import Backbone
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS, backbone_costs, total
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.supernet import Supernet

SPACE = SearchSpace(stem_width=8, stage_widths=(8,) * 5, stage_layers=(2, 1, 1, 1, 2))
PATH = SPACE.typical_paths()[0]


def make(seed: int = 0) -> tuple[Supernet, ArchitectureParameters]:
    torch.manual_seed(seed)
    supernet = Supernet(PATH, SPACE)
    macs = [list(layer.values()) for layer in MACS.table(PATH, SPACE)]
    generator = torch.Generator().manual_seed(seed)
    return supernet, ArchitectureParameters(macs, MACS.fixed(SPACE), 1e-3, generator)


def test_blocks_offer_the_candidates_of_the_space():
    supernet, parameters = make()
    for layer, (block, alpha) in enumerate(zip(supernet.choice_blocks, parameters.alphas, strict=True), 1):
        assert block.names == SPACE.candidates(PATH, layer)
        assert len(block) == len(alpha) == len(block.names)
    assert {len(block.names) for block in supernet.choice_blocks} == {6, 7}


@pytest.mark.parametrize("seed", range(3))
def test_a_choice_computes_what_the_architecture_computes(seed):
    supernet, parameters = make(seed)
    draw = parameters.draw(torch.Generator().manual_seed(seed))
    supernet.choose(draw)
    names = tuple(block.names[i] for block, i in zip(supernet.choice_blocks, draw, strict=True))
    architecture = Architecture(PATH, names, SPACE.stage_layers)
    network = Backbone(architecture, SPACE)
    network.stem.load_state_dict(supernet.stem.state_dict())
    for block, choice, i in zip(network.blocks, supernet.choice_blocks, draw, strict=True):
        block.load_state_dict(list(choice)[i].state_dict())
    x = torch.randn(2, 3, 32, 100)
    assert torch.equal(network(x), supernet(x))
    assert supernet(x).shape == (2, 25, supernet.out_channels)
    assert parameters.total(draw) == total(backbone_costs(architecture, SPACE)).macs


def test_only_the_drawn_candidates_run_and_learn():
    supernet, parameters = make()
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    runs = set()
    for layer, block in enumerate(supernet.choice_blocks):
        for j, operation in enumerate(block):
            operation.register_forward_hook(lambda m, args, out, key=(layer, j): runs.add(key))
    draw = parameters.draw(torch.Generator().manual_seed(0))
    supernet.choose(draw)
    supernet(torch.randn(2, 3, 32, 100)).square().mean().backward()
    assert runs == set(enumerate(draw))
    after = supernet.state_dict()
    for layer, block in enumerate(supernet.choice_blocks):
        for j, operation in enumerate(block):
            drawn = j == draw[layer]
            assert all((p.grad is not None) == drawn for p in operation.parameters())
            if not drawn:
                for key in operation.state_dict():
                    name = f"blocks.{layer}.{block.names[j]}.{key}"
                    assert torch.equal(after[name], before[name])
    assert all(alpha.grad is None for alpha in parameters.alphas)


def test_draws_follow_the_probabilities():
    _, parameters = make()
    with torch.no_grad():
        parameters.alphas[0].copy_(
            torch.tensor([math.log(4.0), math.log(2.0), 0.0, 0.0, -20.0, -20.0, 0.0])[
                : len(parameters.alphas[0])
            ]
        )
    p = parameters.probabilities()[0]
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(len(p))
    for _ in range(2000):
        counts[parameters.draw(generator)[0]] += 1
    assert torch.allclose(counts / 2000, p, atol=0.04)
    uniform = torch.zeros(len(p))
    for _ in range(2000):
        uniform[parameters.draw(generator, uniform=True)[0]] += 1
    assert torch.allclose(uniform / 2000, torch.full_like(p, 1 / len(p)), atol=0.04)


def test_draws_come_from_the_generator_alone():
    _, parameters = make()
    draws = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(7)
        draws.append([parameters.draw(generator) for _ in range(5)])
    assert draws[0] == draws[1]


def test_parameters_start_near_zero():
    _, parameters = make()
    values = torch.cat([alpha.detach() for alpha in parameters.alphas])
    assert values.abs().max() <= 1e-3 and values.std() > 1e-4
    sizes = [len(alpha) for alpha in parameters.alphas]
    assert parameters.entropy() == pytest.approx(sum(map(math.log, sizes)) / len(sizes), abs=1e-4)
    mean = sum(sum(macs) / len(macs) for macs in parameters.costs) + parameters.fixed
    assert parameters.expected() == pytest.approx(mean, rel=1e-2)


def test_log_probability_is_of_the_whole_architecture():
    _, parameters = make()
    draw = [0] * len(parameters.alphas)
    product = math.prod(float(p[0].detach()) for p in parameters.probabilities())
    assert parameters.log_probability(draw) == pytest.approx(math.log(product), rel=1e-5)


def test_the_seed_decides_weights_and_parameters():
    (a, pa), (b, pb), (c, _) = make(1), make(1), make(2)
    assert all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )
    assert all(torch.equal(x, y) for x, y in zip(pa.parameters(), pb.parameters(), strict=True))
    assert not torch.equal(a.stem.conv.weight, c.stem.conv.weight)
