"""The fused mathematics equals the plain modules: outputs, gradients and running statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from autostr_nni.models.fused import depthwise, pointwise
from autostr_nni.models.fused.expansion import folds, moments
from autostr_nni.models.fused.gate import LEAST, LEAST_WIDE_KERNEL, fits, pays
from autostr_nni.models.operations import MBConv

pytestmark = pytest.mark.usefixtures("fused_always")

STRIDES = ((1, 1), (2, 1), (2, 2))
CLOSE = {torch.float64: 1e-10, torch.float32: 1e-5}


def plain(block: MBConv, x: Tensor) -> Tensor:
    """The block by its own layers, run by torch alone."""
    out = block.body(x)
    return x + out if block.residual else out


def make(
    kernel: int, expansion: int, stride: tuple[int, int], cout: int, dtype: torch.dtype = torch.float64
) -> MBConv:
    """A block of 8 input channels, with normalisations that are not at their start."""
    torch.manual_seed(kernel + expansion)
    block = MBConv(8, cout, kernel, expansion, stride).to(dtype).to(memory_format=torch.channels_last)
    for name, value in block.named_parameters():
        if ".bn." in name:
            nn.init.uniform_(value, 0.5, 1.5)
    return block.train()


def images(batch: int, size: tuple[int, int], dtype: torch.dtype = torch.float64) -> Tensor:
    """Activations whose mean is not zero, in channels_last."""
    generator = torch.Generator().manual_seed(batch + size[0])
    x = torch.randn(batch, 8, *size, generator=generator, dtype=dtype) * 1.5 + 0.7
    return x.contiguous(memory_format=torch.channels_last)


def results(block: MBConv, x: Tensor, run: object) -> dict[str, Tensor]:
    """Everything that a training step leaves: output, gradients, running statistics."""
    block, x = copy.deepcopy(block), x.clone().requires_grad_()
    y = run(block, x)  # type: ignore[operator]
    generator = torch.Generator().manual_seed(1)
    gradient = torch.randn(y.shape, generator=generator, dtype=y.dtype)
    assert y.grad_fn is not None
    y.backward(gradient)
    found = {"output": y.detach(), "input": x.grad}
    found |= {f"gradient of {name}": value.grad for name, value in block.named_parameters()}
    return found | dict(block.named_buffers())


def compare(found: dict[str, Tensor], expected: dict[str, Tensor], close: float) -> None:
    assert found.keys() == expected.keys()
    largest = max(float(v.abs().max()) for k, v in expected.items() if k.startswith("gradient"))
    for name, value in expected.items():
        # A gradient that is nearly zero by cancellation is as exact as what cancelled.
        scale = largest if name.startswith("gradient") else float(value.abs().max())
        error = float((found[name] - value).abs().max())
        assert found[name].dtype == value.dtype and error <= close * max(scale, 1.0), (name, error, scale)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("expansion", [1, 3, 6])
@pytest.mark.parametrize("kernel", [3, 5])
def test_training_equals_the_plain_modules(kernel, expansion, stride):
    for cout in (8, 12):
        block = make(kernel, expansion, stride, cout)
        for batch, size in [(2, (1, 1)), (2, (1, 5)), (3, (2, 7)), (2, (4, 6)), (2, (5, 9)), (2, (16, 13))]:
            x = images(batch, size)
            assert fits(block, x)
            compare(results(block, x, lambda b, v: b(v)), results(block, x, plain), 1e-10)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", ["k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6"])
def test_training_in_single_precision_equals_the_plain_modules(name, stride):
    """Small maps too, but with enough pixels that BatchNorm's own rounding stays below the tolerance."""
    for batch, size in [(16, (1, 7)), (16, (2, 7)), (8, (16, 13))]:
        block = make(int(name[1]), int(name[3]), stride, 8, torch.float32)
        x = images(batch, size, torch.float32)
        compare(results(block, x, lambda b, v: b(v)), results(block, x, plain), 1e-5)


def test_both_ways_of_expanding_are_tried():
    assert folds(images(2, (16, 13))) and not folds(images(2, (4, 6)))
    assert not folds(torch.zeros(16, 256, 2, 25))


@pytest.mark.parametrize("dtype", CLOSE)
def test_without_a_graph_and_with_known_moments(dtype):
    block, x = make(5, 6, (1, 1), 8, dtype), images(3, (16, 13), dtype)
    other = copy.deepcopy(block)
    with torch.no_grad():
        found = block(x, moments(x))
        expected = plain(other, x)
    assert not found.requires_grad
    assert torch.allclose(found, expected, rtol=0, atol=CLOSE[dtype] * float(expected.abs().max()))
    for ours, theirs in zip(block.buffers(), other.buffers(), strict=True):
        assert torch.allclose(ours, theirs, rtol=CLOSE[dtype], atol=CLOSE[dtype])


def test_far_from_zero_single_precision_holds():
    """The covariance is taken of centred pixels: a large mean costs no more than in BatchNorm itself."""
    block = make(3, 3, (1, 1), 8, torch.float32)
    x = images(4, (16, 13), torch.float32) + 30
    exact = results(copy.deepcopy(block).double(), x.double(), plain)["output"]
    ours = (results(block, x, lambda b, v: b(v))["output"] - exact).abs().max()
    theirs = (results(block, x, plain)["output"] - exact).abs().max()
    assert float(ours) <= 2 * float(theirs) + 1e-5


def test_frozen_weights_take_no_gradient_but_pass_it_on():
    block, x = make(3, 6, (1, 1), 8), images(2, (16, 13)).requires_grad_()
    block.requires_grad_(False)
    y = block(x)
    y.backward(torch.ones_like(y))
    assert x.grad is not None and all(p.grad is None for p in block.parameters())
    reference = x.detach().clone().requires_grad_()
    plain(block, reference).backward(torch.ones_like(y))
    assert torch.allclose(x.grad, reference.grad, rtol=0, atol=1e-10)


def test_the_input_is_read_only_and_the_gradient_too():
    block, x = make(5, 3, (1, 1), 8), images(2, (16, 13))
    before = x.clone()
    y = block(x.requires_grad_())
    gradient = torch.randn_like(y)
    kept = gradient.clone()
    y.backward(gradient)
    assert torch.equal(x, before) and torch.equal(gradient, kept)


def test_a_weight_that_changed_before_the_backward_pass_is_noticed():
    block, x = make(3, 3, (1, 1), 8), images(2, (4, 6))
    loss = block(x).sum()
    with torch.no_grad():
        block.body.project.conv.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("size", [(1, 1), (1, 25), (2, 6), (3, 7), (4, 25), (8, 5), (9, 10)])
def test_depthwise_gradients(size, kernel, stride):
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


@pytest.fixture
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("width", [3, 100, 2_600, 17_000])  # by product, by images or as one image
@pytest.mark.parametrize("threads", [1, 2], indirect=True)
@pytest.mark.usefixtures("threads")
def test_pointwise_ways_agree(width):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 1, width, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(32, 16, 1, 1, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.conv2d(x, weight)
    gradient = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    dx, dw = torch.autograd.grad(y, (x, weight), gradient)
    x, weight = x.detach(), weight.detach()
    assert torch.allclose(pointwise.convolve(x, weight), y, rtol=0, atol=1e-12)
    assert torch.allclose(pointwise.input_gradient(gradient, x, weight), dx, rtol=0, atol=1e-12)
    assert torch.allclose(pointwise.weight_gradient(gradient, x, weight), dw, rtol=0, atol=1e-12)


def test_elsewhere_the_modules_run():
    block, x = make(3, 3, (1, 1), 8, torch.float32), images(2, (4, 6), torch.float32)
    assert fits(block, x)
    assert not fits(block, x[:1])  # BatchNorm may have to refuse it
    assert not fits(block, x.bfloat16()) and not fits(block, x.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not fits(block, x)
        block(x).float().sum().backward()
    assert not fits(copy.deepcopy(block).eval(), x)
    joint = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(block))
    assert not fits(joint, x)
    averaging = copy.deepcopy(block)
    averaging.body.project.bn.momentum = None
    assert not fits(averaging, x)
    seen: list[nn.Module] = []
    handle = block.body.depthwise.conv.register_forward_hook(lambda module, args, out: seen.append(module))
    block(x)
    handle.remove()
    assert len(seen) == 1 and fits(block, x)


def test_small_blocks_run_their_modules(monkeypatch):
    assert pays(images(2, (4, 6)), 24, 5)  # as everywhere in these tests
    monkeypatch.undo()
    for kernel, least in ((3, LEAST), (5, LEAST_WIDE_KERNEL)):
        x = torch.empty(1, 8, 10, 10).expand(least // 2_000, -1, -1, -1)
        assert not pays(x[1:], 20, kernel) and pays(x, 20, kernel)
        with torch.no_grad():
            assert pays(x, 20, kernel) == (kernel == 3)
    block, x = make(5, 3, (1, 1), 8), images(2, (4, 6))
    found, expected = results(block, x, lambda b, v: b(v)), results(block, x, plain)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_one_value_per_channel_is_refused_as_ever():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        make(3, 3, (1, 1), 8)(images(1, (1, 1)))


def test_evaluation_and_tracing_are_the_plain_modules():
    block, x = make(5, 6, (1, 1), 8), images(2, (16, 13))
    block(x)
    block.eval()
    assert torch.equal(block(x), plain(block, x))
    block.train()
    names = {node.kind() for node in torch.jit.trace(block, (x,), check_trace=False).inlined_graph.nodes()}
    assert "aten::batch_norm" in names


def test_a_step_is_the_same_twice_bit_for_bit():
    block, x = make(5, 6, (1, 1), 8, torch.float32), images(4, (16, 13), torch.float32)
    first, second = (results(block, x, lambda b, v: b(v)) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
