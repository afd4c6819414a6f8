"""Candidate operations: shapes, residuals, parameters and MACs as counted from their description."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autostr_nni.models.operations import MBConv, ProjectionSkip, ResidualUnit, build_operation
from autostr_nni.search_spaces.counting import operation_cost
from autostr_nni.system.errors import InputError

STRIDES = ((1, 1), (2, 1), (2, 2))
NAMES = ("k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6", "skip", "res3")


def macs(module: nn.Module, x: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("widths", [(8, 8), (8, 12)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_module_has_the_counted_shape_macs_and_parameters(name, widths, stride, size):
    cin, cout = widths
    module = build_operation(name, cin, cout, stride, projection_skip=True).eval()
    x = torch.randn(2, cin, *size)
    assert module(x).shape == (2, cout, -(-size[0] // stride[0]), -(-size[1] // stride[1]))
    cost = operation_cost(name, cin, cout, *size, stride, True)
    assert macs(module, x[:1]) == cost.macs
    assert sum(p.numel() for p in module.parameters()) == cost.params


def test_skip_is_the_identity_or_refused():
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(build_operation("skip", 8, 8, (1, 1))(x), x)
    for cout, stride in ((12, (1, 1)), (8, (2, 1))):
        with pytest.raises(InputError, match="changes shape"):
            build_operation("skip", 8, cout, stride)
        assert isinstance(build_operation("skip", 8, cout, stride, True), ProjectionSkip)


def test_unknown_operation_is_refused():
    with pytest.raises(InputError, match="pool3"):
        build_operation("pool3", 8, 8, (1, 1))


@pytest.mark.parametrize(
    ("cout", "stride", "residual"), [(8, (1, 1), True), (12, (1, 1), False), (8, (2, 1), False)]
)
def test_mbconv_is_residual_only_where_shape_is_kept(cout, stride, residual):
    module = MBConv(8, cout, 3, 3, stride).eval()
    assert module.residual is residual
    with torch.no_grad():
        module.body.project.bn.weight.zero_()
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(module(x), x if residual else torch.zeros_like(module(x)))


def test_mbconv_layers_follow_the_paper():
    assert not hasattr(MBConv(8, 8, 5, 1, (1, 1)).body, "expand")
    body = MBConv(8, 12, 5, 6, (2, 1)).body
    assert body.expand.conv.weight.shape == (48, 8, 1, 1)
    assert body.depthwise.conv.weight.shape == (48, 1, 5, 5) and body.depthwise.conv.stride == (2, 1)
    assert body.project.conv.weight.shape == (12, 48, 1, 1)
    assert isinstance(body.expand_act, nn.ReLU6) and isinstance(body.depthwise_act, nn.ReLU6)
    assert list(body)[-1] is body.project


def test_input_of_an_operation_is_left_as_it_was():
    for name in NAMES:
        x = torch.randn(2, 8, 4, 4)
        before = x.clone()
        build_operation(name, 8, 8, (1, 1))(x)
        assert torch.equal(x, before)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(4, 6), (5, 7)])
def test_residual_unit_equals_strided_convolutions(stride, size):
    torch.manual_seed(0)
    unit = ResidualUnit(8, 12, stride).eval()
    x = torch.randn(2, 8, *size)
    short = unit.shortcut.bn(F.conv2d(x, unit.shortcut.conv.weight, stride=stride))
    out = torch.relu(unit.reduce.bn(F.conv2d(x, unit.reduce.conv.weight, stride=stride)))
    out = unit.conv.bn(F.conv2d(out, unit.conv.conv.weight, padding=1))
    assert torch.allclose(unit(x), torch.relu(out + short), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_1x1_convolution_is_strided(name):
    """oneDNN's backward pass of these writes beyond its memory where the channels are few."""
    module = build_operation(name, 8, 12, (2, 2), projection_skip=True)
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    assert all(part.stride == (1, 1) for part in convolutions if part.kernel_size == (1, 1))
