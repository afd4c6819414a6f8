"""The decoder's step as on CUDA: the same numbers from fewer kernels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autostr_nni.models.attention_gru import gru_step, gru_step_gradients
from autostr_nni.models.translator import recognition_loss
from tests.models.decoder.fused_gru import Launches, as_on_cuda
from tests.models.decoder.plain_decoder import make

TARGETS = torch.tensor([[0, 2, 5, 1], [5, -100, -100, -100], [1, 1, 5, -100], [3, 2, 0, 5]])


def loss_and_gradients(steps: int, device: str = "cpu") -> list[Tensor]:
    """Of a small decoder in float64, by teacher forcing on words of so many steps."""
    decoder = make(seed=3, sharp=1.5).double().to(device)
    features = torch.randn(4, 7, 5, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    features = features.to(device).requires_grad_()
    targets = TARGETS.repeat(1, 3)[:, :steps].to(device)
    logits = decoder(features, targets)
    recognition_loss(logits, targets).backward()
    return [logits.detach(), features.grad, *(p.grad for p in decoder.parameters())]


def test_a_step_is_that_of_torchs_cell() -> None:
    torch.manual_seed(0)
    cell, x, state = torch.nn.GRUCell(5, 4).double(), torch.randn(3, 5).double(), torch.randn(3, 4).double()
    new = torch.nn.functional.linear(x, cell.weight_ih, cell.bias_ih)
    own = torch.nn.functional.linear(state, cell.weight_hh, cell.bias_hh)
    with torch.no_grad():
        found, kept = gru_step(new, own, state)
    torch.testing.assert_close(found, cell(x, state), rtol=1e-12, atol=1e-12)
    given = [value.detach().requires_grad_() for value in (new, own, state)]
    d_next = torch.randn(3, 4, dtype=torch.double)
    (_differentiable(*given) * d_next).sum().backward()
    for gradient, value in zip(gru_step_gradients(d_next, kept), given, strict=True):
        torch.testing.assert_close(gradient, value.grad, rtol=1e-12, atol=1e-12)


def _differentiable(new: Tensor, own: Tensor, state: Tensor) -> Tensor:
    size = state.shape[1]
    reset, update = torch.sigmoid(new[:, : 2 * size] + own[:, : 2 * size]).chunk(2, 1)
    candidate = torch.tanh(new[:, 2 * size :] + reset * own[:, 2 * size :])
    return (1 - update) * candidate + update * state


@pytest.mark.parametrize("steps", [1, 4])
def test_as_on_cuda_it_learns_the_same(steps: int) -> None:
    expected = loss_and_gradients(steps)
    with as_on_cuda():
        found = loss_and_gradients(steps)
    for ours, other in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-12, atol=1e-12)


def test_as_on_cuda_it_reads_the_same() -> None:
    decoder = make(seed=3, sharp=2.0).double()
    features = torch.randn(6, 7, 5, dtype=torch.double)
    expected = decoder.greedy(features, 9)
    with as_on_cuda():
        found = decoder.greedy(features, 9)
    assert torch.equal(found.ids, expected.ids)
    torch.testing.assert_close(found.confidence, expected.confidence)


def test_a_character_takes_few_kernels() -> None:
    """Launching them is what the decoder's time consists of on a GPU."""
    counts = []
    for steps in (4, 10):
        with as_on_cuda(), Launches() as launches:
            loss_and_gradients(steps)
        counts.append(len(launches.names))
    assert (counts[1] - counts[0]) / 6 <= 19, launches.names


def test_on_a_gpu(device: str) -> None:
    """By torch's own kernels, where there is a GPU."""
    expected = loss_and_gradients(4)
    for ours, other in zip(loss_and_gradients(4, device), expected, strict=True):
        torch.testing.assert_close(ours.cpu(), other, rtol=1e-10, atol=1e-10)
