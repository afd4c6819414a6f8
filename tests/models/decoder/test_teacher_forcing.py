"""Teacher forcing: the loss over given words and its gradients, against the plain recurrence."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from autostr_nni.models.attention_gru import AttentionGRU
from autostr_nni.models.translator import PADDING, recognition_loss
from tests.models.decoder.plain_decoder import distribution, make


def test_teacher_forcing_loss_is_the_sum_over_characters_with_padding_masked():
    decoder = make(seed=4)
    features = torch.randn(3, 4, 5)
    words = [[0, 2, 5], [5], [1, 1, 3, 5]]
    targets = torch.full((3, 4), PADDING)
    for row, word in zip(targets, words, strict=True):
        row[: len(word)] = torch.tensor(word)
    expected = 0.0
    with torch.no_grad():
        for feature, word in zip(features, words, strict=True):
            for place, symbol in enumerate(word):
                expected -= math.log(float(distribution(decoder, feature, word[:place])[symbol]))
        loss = recognition_loss(decoder(features, targets), targets)
    assert float(loss) == pytest.approx(expected / 3, rel=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("batch", [1, 5])
def test_teacher_forcing_equals_the_plain_recurrence(dtype, tolerance, batch):
    """Logits, and the gradients of every weight and of the features."""
    decoder = make(seed=batch, sharp=1.5).to(dtype)
    targets = torch.tensor([[0, 2, 5, 1], [5, -100, -100, -100], [1, 1, 5, -100], [3, 2, 0, 5], [4, 5, 4, 0]])
    found = []
    for forward in (decoder, decoder.plain):
        torch.manual_seed(1)
        features = torch.randn(batch, 7, 5, dtype=dtype, requires_grad=True)
        decoder.zero_grad()
        logits = forward(features, targets[:batch])
        recognition_loss(logits, targets[:batch]).backward()
        found.append([logits.detach(), features.grad, *(p.grad.clone() for p in decoder.parameters())])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=tolerance, atol=tolerance)


def test_the_written_gradient_is_the_numerical_one():
    torch.manual_seed(0)
    steps, batch, width, cin, size, attention = 3, 2, 4, 5, 3, 4
    shapes = [
        (steps, batch, 3 * size),
        (batch, width, cin),
        (batch, width, attention),
        (3 * size, cin),
        (3 * size, size),
        (3 * size,),
        (attention, size),
        (attention,),
    ]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(AttentionGRU.apply, inputs)


def test_teacher_forcing_in_mixed_precision():
    decoder = make(seed=2, sharp=1.0)
    features, targets = torch.randn(3, 4, 5, requires_grad=True), torch.tensor([[0, 5], [1, 2], [5, -100]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = decoder(features, targets)
        recognition_loss(logits.float(), targets).backward()  # as Lightning's manual_backward does
    torch.testing.assert_close(logits.float(), decoder(features, targets), atol=0.03, rtol=0.03)
    assert features.grad.isfinite().all()


def test_padding_gives_no_gradient():
    decoder = make()
    features = torch.randn(2, 4, 5)
    short = torch.tensor([[0, 5], [1, 5]])
    longer = F.pad(short, (0, 3), value=PADDING)
    gradients = []
    for targets in (short, longer):
        decoder.zero_grad()
        recognition_loss(decoder(features, targets), targets).backward()
        gradients.append([p.grad.clone() for p in decoder.parameters()])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*gradients, strict=True))
