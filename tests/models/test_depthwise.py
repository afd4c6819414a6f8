"""Depthwise convolutions as on CUDA: the same as torch's own, whatever kernel, stride and size."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from autostr_nni.models import depthwise
from autostr_nni.models.depthwise import DepthwiseConv
from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.models.operations import MBConv

SIZES = [(4, 6), (5, 7), (1, 5), (2, 1), (32, 25)]


@pytest.fixture
def as_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "on_cuda", lambda x: True)


def computed(conv: nn.Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    """Output, and the gradients of input and weight."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = conv(x)
    (y * torch.linspace(-1, 2, y.numel(), dtype=y.dtype, device=y.device).view_as(y)).sum().backward()
    return [y.detach(), x.grad, conv.weight.grad]


@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    itertools.product((1, 3, 5, 7), ((1, 1), (2, 1), (2, 2), (1, 2), (3, 2)), SIZES),
)
def test_the_same_output_and_gradients(
    as_on_cuda: None, kernel: int, stride: tuple[int, int], size: tuple[int, int]
) -> None:
    torch.manual_seed(kernel)
    ours = DepthwiseConv(6, kernel, stride).double()
    plain = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=False).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(3, 6, *size, dtype=torch.double).to(memory_format=torch.channels_last)
    for found, expected in zip(computed(ours, x), computed(plain, x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_only_uneven_strides_on_cuda_go_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    strides: list[tuple[int, int]] = []
    plain = nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: strides.append(self.stride) or plain(self, x))
    x = torch.randn(1, 4, 4, 4)
    for stride in ((1, 1), (2, 1), (2, 2)):
        DepthwiseConv(4, 3, stride)(x)
    assert strides == [(1, 1), (2, 1), (2, 2)]
    monkeypatch.setattr(depthwise, "on_cuda", lambda x: True)
    for stride in ((1, 1), (2, 1), (2, 2)):
        DepthwiseConv(4, 3, stride)(x)
    assert strides[3:] == [(1, 1), (2, 2)]


def test_what_is_left_out_leaves_memory_and_the_order_of_pixels_stays(as_on_cuda: None) -> None:
    x = torch.randn(2, 4, 8, 6).to(memory_format=torch.channels_last)
    y = DepthwiseConv(4, 3, (2, 1))(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert y.untyped_storage().nbytes() == 4 * y.numel()
    assert DepthwiseConv(4, 3, (2, 1))(x.contiguous()).is_contiguous()


def test_an_mbconv_of_before_loads_and_computes_the_same(as_on_cuda: None) -> None:
    ours = MBConv(4, 8, 5, 3, (2, 1)).double()
    assert [name for name in ours.state_dict() if "depthwise" in name and "weight" in name] == [
        "body.depthwise.conv.weight",
        "body.depthwise.bn.weight",
    ]
    before = nn.Conv2d(12, 12, 5, (2, 1), 2, groups=12, bias=False).double()
    before.load_state_dict(ours.body.depthwise.conv.state_dict())
    x = torch.randn(2, 4, 6, 7, dtype=torch.double)
    found = ours(x)
    ours.body.depthwise.conv = before
    torch.testing.assert_close(found, ours(x), rtol=1e-12, atol=1e-12)


def test_with_a_batch_norm_folded_in(as_on_cuda: None) -> None:
    net = MBConv(4, 8, 3, 3, (2, 1)).double().eval()
    net.body.depthwise.bn.running_mean.normal_()
    x = torch.randn(2, 4, 6, 7, dtype=torch.double)
    with torch.no_grad():
        torch.testing.assert_close(folded(net)(x), net(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2)])
def test_on_a_gpu(device: str, stride: tuple[int, int]) -> None:
    ours = DepthwiseConv(6, 5, stride).double()
    x = torch.randn(3, 6, 7, 9, dtype=torch.double).to(memory_format=torch.channels_last)
    expected = computed(ours, x)
    ours.zero_grad()
    for found, other in zip(computed(ours.to(device), x.to(device)), expected, strict=True):
        torch.testing.assert_close(found.cpu(), other, rtol=1e-12, atol=1e-12)
