"""Folding BatchNorm into convolutions changes nothing that is read."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_section import section_of, space_of
from torch import nn

from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.architecture import Architecture

SPACE, SECTION = space_of(2), section_of(2)


def trained_a_little(operations: tuple[str, ...]):
    """A net whose statistics and offsets are not those of the start."""
    torch.manual_seed(0)
    path = SPACE.typical_paths()[0]
    net = build_recognizer(
        Architecture(path, operations, SPACE.stage_layers), SPACE, ModelSection.model_validate(SECTION), 11
    )
    net = net.double()
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_()
        net.rectifier.last.weight.normal_(0, 0.2)
        net.train().features(images(8))
    return net


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 32, 64), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    "operations",
    [("res3",) * 10, ("k3e1", "skip", "k5e3", "k3e6", "k5e1", "skip", "k3e3", "k5e6", "k3e1", "k3e3")],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@torch.no_grad()
def test_it_computes_the_same(operations, dtype, tolerance):
    net = trained_a_little(operations).to(dtype)
    before = copy.deepcopy(net.state_dict())
    fast = folded(net)
    assert net.training and not fast.training
    assert not [part for part in fast.modules() if isinstance(part, nn.BatchNorm2d)]
    net.eval()
    torch.testing.assert_close(
        fast.features(images(5)), net.features(images(5)), rtol=tolerance, atol=tolerance
    )
    assert torch.equal(fast.read(images(5), 6).ids, net.read(images(5), 6).ids)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(
        part.weight.is_contiguous(memory_format=torch.channels_last)
        for part in fast.modules()
        if isinstance(part, nn.Conv2d)
    )
