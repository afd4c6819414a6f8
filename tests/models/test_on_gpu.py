"""Recognizers in float32 and in bf16, on a GPU and on the CPU, beside float64 on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from tiny_section import section_of, space_of
from torch import Tensor

from autostr_nni.models.recognizer import Recognizer, build_recognizer
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.stride_path import StridePath

CLASSES = 11


@pytest.fixture(autouse=True)
def _without_tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(params=["attention", "ctc"])
def net(request: pytest.FixtureRequest) -> Recognizer:
    """All parts but a rectifier, whose gradient jumps at the edges of pixels; all strides and kernels."""
    space, section = space_of(2), section_of(2)
    section["translator"]["kind"] = request.param
    section["rectifier"]["enabled"] = False
    path = StridePath.parse("ABABB", space.stage_layers)
    operations = ("k5e3", "skip", "k3e3", "k5e6", "k5e3", "k3e1", "k5e3", "k3e6", "k3e3", "k5e1")
    architecture = space.default_architecture(path, "k3e1")
    architecture = type(architecture)(path, operations, space.stage_layers)
    torch.manual_seed(0)
    return build_recognizer(architecture, space, ModelSection.model_validate(section), CLASSES).train()


def words() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(16, 3, 8, 8, generator=generator)
    images = (255 * torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")).to(torch.uint8)
    targets = torch.randint(0, CLASSES - 1, (16, 5), generator=generator)
    targets[:, 3] = CLASSES - 1
    targets[:, 4] = -100
    return images, targets


def step(net: Recognizer, device: str, bf16: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, logits and the gradients of all weights one after another, as float64 on the CPU."""
    images, targets = (value.to(device) for value in words())
    with torch.autocast(device, torch.bfloat16, enabled=bf16):
        logits = net(images, targets)
        loss = net.decoder.loss(logits, targets)
    loss.backward()
    gradients = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
    loss, logits, gradients = (value.detach().cpu().double() for value in (loss, logits, gradients))
    return loss, logits, gradients


def distance(found: Tensor, expected: Tensor) -> float:
    """Relative to what is expected."""
    return float((found - expected).norm() / expected.norm())


def test_outputs_and_gradients(net: Recognizer, device: str) -> None:
    """In float64 all is the same. In float32 the outputs are, and the gradients but for numbers that rounding
    takes to the other side of 0, where an activation's slope jumps, as it does with sums in another order."""
    expected = step(copy.deepcopy(net).double(), "cpu")
    for found, value in zip(step(copy.deepcopy(net).double().to(device), device), expected, strict=True):
        assert distance(found, value) < 1e-8
    loss, logits, gradients = step(net.to(device), device)
    assert distance(loss, expected[0]) < 1e-4 and distance(logits, expected[1]) < 1e-4
    assert distance(gradients, expected[2]) < 0.01


def test_bf16_is_within_its_rounding(net: Recognizer, device: str) -> None:
    """Eight bits of a number: half a percent at each operation."""
    expected = step(copy.deepcopy(net).double(), "cpu")
    loss, logits, gradients = step(net.to(device), device, bf16=True)
    assert distance(loss, expected[0]) < 0.02 and distance(logits, expected[1]) < 0.15
    cosine = gradients @ expected[2] / gradients.norm() / expected[2].norm()
    assert float(cosine) > 0.7


def test_reading(net: Recognizer, device: str) -> None:
    reference = copy.deepcopy(net).double().eval().read(words()[0], 6)
    found = net.to(device).eval().read(words()[0].to(device), 6)
    assert torch.equal(found.ids.cpu(), reference.ids)
    torch.testing.assert_close(
        found.confidence.cpu(), reference.confidence, rtol=1e-3, atol=1e-6, check_dtype=False
    )
