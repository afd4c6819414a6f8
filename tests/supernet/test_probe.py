"""The products of Eq. 5 against every candidate run plainly."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from autostr_nni.models.operations import MBConv, build_operation
from autostr_nni.supernet.probe import Probe, inner

NAMES = ("k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6", "skip")


def candidates(dtype: torch.dtype) -> list[nn.Module]:
    torch.manual_seed(0)
    return [build_operation(name, 8, 8, (1, 1)).to(dtype).train() for name in NAMES]


def batch(size: tuple[int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, gradient = (torch.randn(6, 8, *size, generator=generator, dtype=torch.float64) for _ in range(2))
    return tuple(t.to(dtype).contiguous(memory_format=torch.channels_last) for t in (x + 0.5, gradient))


def plain(operation: nn.Module, x: Tensor) -> Tensor:
    return x + operation.body(x) if isinstance(operation, MBConv) else operation(x)


@pytest.mark.parametrize("size", [(16, 13), (2, 5)])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("active", [1, 6])
def test_products_are_those_of_all_candidates_run_plainly(active, dtype, close, size):
    operations, (x, gradient) = candidates(dtype), batch(size, dtype)
    expected = torch.stack([torch.sum(gradient * plain(op, x)) for op in copy.deepcopy(operations)])
    probe = Probe(operations, x)
    found = probe.products(gradient, active, probe.run(active, x).detach())
    assert found.dtype == dtype and not found.requires_grad
    scale = float(gradient.norm() * x.norm())
    assert torch.allclose(found, expected, rtol=0, atol=close * scale)


def test_the_autocast_of_the_forward_pass_holds_in_the_backward_pass():
    operations, (x, gradient) = candidates(torch.float32), batch((16, 13), torch.float32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        probe = Probe(operations, x)
        y = probe.run(2, x)
        expected = torch.stack([inner(gradient, plain(op, x)) for op in copy.deepcopy(operations)])
    found = probe.products(gradient, 2, y.detach())
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, rtol=0, atol=1e-2 * float(gradient.norm() * x.norm()))
    assert float((found - expected).abs().max()) < float(expected.abs().max()) * 0.05


def test_inner_is_the_sum_of_products_in_any_memory_format():
    a, b = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    expected = float((a * b).sum())
    for other in (b, b.contiguous(memory_format=torch.channels_last)):
        assert float(inner(a, other)) == pytest.approx(expected, abs=1e-12)
    assert inner(a.bfloat16(), b.bfloat16()).dtype == torch.float32
