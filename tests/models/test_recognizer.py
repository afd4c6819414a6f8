"""The recognizer as a whole: normalisation, loss, reading."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_section import section_of, space_of

from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.recognizer import (
    Recognizer,
    build_recognizer,
    input_size,
    normalise,
)
from autostr_nni.models.translator import AttentionDecoder, recognition_loss
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.space import SearchSpace

SPACE, SECTION = space_of(1), section_of(1)


def make(rectifier: bool = True, encoder: bool = True, seed: int = 0) -> Recognizer:
    torch.manual_seed(seed)
    model = ModelSection.model_validate(
        {**SECTION, "rectifier": {**SECTION["rectifier"], "enabled": rectifier}}
    )
    assert input_size(model) == ((32, 64) if rectifier else (32, 32))
    return build_recognizer(SPACE.default_architecture(SPACE.typical_paths()[0]), SPACE, model, 11, encoder)


def images(count: int, width: int = 64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 32, width), dtype=torch.uint8, generator=generator)


def test_normalise_maps_bytes_to_minus_one_and_one():
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    out = normalise(x)
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == pytest.approx([-1.0, -0.6, 1.0])
    assert normalise(images(2)).is_contiguous(memory_format=torch.channels_last)
    assert normalise(x, torch.float64).dtype == torch.float64


def test_normalise_leaves_floats_and_its_input_alone():
    x = torch.rand(2, 3, 4, 5)
    assert torch.equal(normalise(x), x)
    raw = images(1)
    before = raw.clone()
    normalise(raw)
    assert torch.equal(raw, before)


def test_loss_is_summed_over_characters_and_averaged_over_words():
    logits = torch.tensor([[[1.0, 2.0], [0.5, 0.0]], [[0.0, 0.0], [9.0, -9.0]]])
    targets = torch.tensor([[1, 0], [1, -100]])
    log = [-math.log(math.exp(2) / (math.exp(1) + math.exp(2)))]
    log += [-math.log(math.exp(0.5) / (math.exp(0.5) + 1)), math.log(2)]
    assert float(recognition_loss(logits, targets)) == pytest.approx(sum(log) / 2, rel=1e-6)


def test_loss_does_not_depend_on_how_much_padding_there_is():
    logits = torch.randn(3, 5, 4)
    targets = torch.randint(0, 4, (3, 5))
    targets[:, 2:] = -100
    assert float(recognition_loss(logits, targets)) == pytest.approx(
        float(recognition_loss(logits[:, :2], targets[:, :2])), rel=1e-6
    )


@pytest.mark.parametrize("rectifier", [True, False])
@pytest.mark.parametrize("encoder", [True, False])
def test_loss_reaches_every_weight(rectifier, encoder):
    model = make(rectifier, encoder)
    if rectifier:  # zero at the start, which hides what lies before it
        torch.nn.init.normal_(model.rectifier.last.weight, std=0.01)
    targets = torch.tensor([[1, 2, 10], [10, -100, -100], [3, 10, -100]])
    model.loss(images(3, 64 if rectifier else 32), targets).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("beam", [1, 3])
def test_a_word_reads_the_same_alone_and_in_a_batch(beam):
    model = make().eval()
    batch = images(5)
    together = model.read(batch, 6, beam)
    for number in range(5):
        alone = model.read(batch[number : number + 1], 6, beam)
        length = min(alone.ids.shape[1], together.ids.shape[1])
        assert torch.equal(alone.ids[0, :length], together.ids[number, :length])
        assert float(alone.confidence) == pytest.approx(float(together.confidence[number]), rel=1e-3)


def test_bytes_and_normalised_floats_read_the_same():
    model = make().eval()
    batch = images(3)
    assert torch.equal(model.read(batch, 6).ids, model.read(normalise(batch), 6).ids)


def test_reading_changes_nothing():
    model = make().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    reading = model.read(images(2), 6)
    assert not reading.confidence.requires_grad
    assert ((reading.confidence > 0) & (reading.confidence <= 1)).all()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_same_seed_same_recognizer_and_loss():
    targets = torch.tensor([[1, 10], [2, 10]])
    losses = [make(seed=seed).train().loss(images(2), targets).item() for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_paper_sizes_give_the_paper_s_recognizer():
    space = SearchSpace()
    path = space.typical_paths()[0]
    model = build_recognizer(space.default_architecture(path, "k3e1"), space, ModelSection(), 95).eval()
    assert input_size(ModelSection()) == (64, 256)
    with torch.no_grad():
        batch = images(1).repeat(1, 1, 2, 4)
        assert model.rectifier(normalise(batch)).shape == (1, 3, 32, 100)
        assert model.features(batch).shape == (1, 25, 512)
        assert model(batch, torch.zeros(1, 4, dtype=torch.long)).shape == (1, 4, 95)


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_features_by_parts_are_the_features(dtype, tolerance):
    net = make().to(dtype).eval()
    net.part = 3
    torch.testing.assert_close(
        net.features_by_parts(images(7)), net.features(images(7)), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("kind", ["attention", "ctc"])
def test_the_loss_is_the_mean_of_the_words_losses(kind: str) -> None:
    decoder = AttentionDecoder(6, 5, 8, 8, 8) if kind == "attention" else CTCDecoder(6, 5)
    targets = torch.tensor([[0, 1, 4], [2, 4, -100], [4, -100, -100]])
    logits = decoder(torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0)), targets)
    words = decoder.word_losses(logits, targets)
    assert words.shape == (3,) and len(set(words.tolist())) == 3
    assert float(words.mean()) == pytest.approx(float(decoder.loss(logits, targets)), rel=1e-6)
    alone = [float(decoder.loss(logits[i : i + 1], targets[i : i + 1])) for i in range(3)]
    assert words.tolist() == pytest.approx(alone, rel=1e-6)
