"""Depthwise convolutions: gradients equal torch's own, by whichever way they are computed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from autostr_nni.models import depthwise_gradient as depthwise
from autostr_nni.models.depthwise_gradient import PLAIN_VARIABLE, convolve
from autostr_nni.models.operations import MBConv

CLOSE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """For maps too small to gain by it, as those of tests are."""
    monkeypatch.setattr(depthwise, "LEAST", 0)
    monkeypatch.delenv(PLAIN_VARIABLE, raising=False)


def plain(block: MBConv, x: Tensor) -> Tensor:
    """The block by its own layers, run by torch alone."""
    out = block.body(x)
    return x + out if block.residual else out


def step(block: MBConv, x: Tensor, run: Callable[[MBConv, Tensor], Tensor]) -> dict[str, Tensor]:
    """Everything that a training step leaves: output, gradients, running statistics."""
    x = x.clone().requires_grad_()
    y = run(block, x)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    y.backward(gradient)
    assert x.grad is not None
    gradients = {name: p.grad for name, p in block.named_parameters()}
    return {"output": y.detach(), "input": x.grad, **gradients, **dict(block.named_buffers())}


def images(batch: int, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    x = torch.randn(batch, 8, *size, generator=torch.Generator().manual_seed(2), dtype=dtype)
    return (x * 1.5 + 0.7).contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("name", ["k3e1", "k3e3", "k5e1", "k5e6"])
def test_a_block_trains_as_with_torchs_own(name: str, stride: tuple[int, int]) -> None:
    torch.manual_seed(0)
    for batch, size in [(4, (1, 9)), (3, (2, 7)), (2, (5, 9)), (2, (16, 13))]:
        block = MBConv(8, 8, int(name[1]), int(name[3]), stride).double().train()
        block = block.to(memory_format=torch.channels_last)
        x = images(batch, size, torch.float64)
        found = step(copy.deepcopy(block), x, lambda b, v: b(v))
        expected = step(block, x, plain)
        for key, value in expected.items():
            assert torch.allclose(found[key], value, rtol=0, atol=1e-9 * float(value.abs().max() + 1)), key


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("size", [(1, 1), (1, 25), (2, 6), (3, 7), (4, 25), (8, 5), (9, 10)])
def test_gradients(size: tuple[int, int], kernel: int, stride: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 16, *size, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(16, 1, kernel, kernel, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.conv2d(x, weight, None, stride, kernel // 2, 1, 16)
    gradient = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    dx, dw = torch.autograd.grad(y, (x, weight), gradient)
    for dtype, close in CLOSE.items():
        g, inputs = (
            v.detach().to(dtype).contiguous(memory_format=torch.channels_last) for v in (gradient, x)
        )
        found = depthwise.weight_gradient(g, inputs, kernel, stride)
        assert torch.allclose(found.double(), dw, rtol=0, atol=close * float(dw.abs().max() + 1))
        found = depthwise.input_gradient(g, inputs, weight.detach().to(dtype), stride)
        assert torch.allclose(found.double(), dx, rtol=0, atol=close * float(dx.abs().max() + 1))


def node(conv: nn.Conv2d, x: Tensor) -> str:
    """Whose backward pass would run."""
    return type(convolve(x, conv).grad_fn).__name__


@pytest.mark.usefixtures("always")
def test_where_torch_runs_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = nn.Conv2d(8, 8, 5, 1, 2, groups=8, bias=False).train()
    x = images(2, (4, 6), torch.float32)
    assert node(conv, x) == "_DepthwiseBackward"
    with torch.autocast("cpu", torch.bfloat16):
        assert node(conv, x) != "_DepthwiseBackward"
    assert node(copy.deepcopy(conv).eval(), x) == "ConvolutionBackward0"
    frozen = copy.deepcopy(conv).requires_grad_(False)
    assert node(frozen, x.clone().requires_grad_()) == "ConvolutionBackward0"
    monkeypatch.setattr(depthwise, "LEAST", x.numel() + 1)
    assert node(conv, x) == "ConvolutionBackward0"
    monkeypatch.setattr(depthwise, "LEAST", x.numel())
    assert node(conv, x) == "_DepthwiseBackward"
    handle = conv.register_forward_hook(lambda module, args, out: None)  # who watches sees it
    assert node(conv, x) == "ConvolutionBackward0"
    handle.remove()
    monkeypatch.setenv(PLAIN_VARIABLE, "1")
    assert node(conv, x) == "ConvolutionBackward0"
