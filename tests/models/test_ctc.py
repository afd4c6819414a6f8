"""The CTC translator: its reading by hand, its loss by listing alignments, its place in the recognizer."""

from __future__ import annotations

import itertools

import pytest
import torch

from autostr_nni.models.cost import recognizer_costs
from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.recognizer import build_recognizer
from autostr_nni.models.traceable import UnrolledReader
from autostr_nni.models.translator import PADDING
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.recalibration import recalibrate

BLANK = 3  # of the decoders here, which know three characters


def logits_of(*steps: int) -> torch.Tensor:
    """Logits ``[1, T, 4]`` whose most probable class is the one given at every step."""
    return torch.eye(4)[list(steps)][None] * 4


def text(ids: torch.Tensor) -> list[int]:
    """Class numbers before the end."""
    return list(itertools.takewhile(lambda number: number != BLANK, ids.tolist()))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((0, 0, 1, 1, 1), [0, 1]),
        ((0, BLANK, 0, 1, BLANK), [0, 0, 1]),
        ((BLANK, BLANK, BLANK), []),
        ((BLANK, 2, 2, BLANK, 2), [2, 2]),
        ((0, 1, 0, 1), [0, 1, 0, 1]),
        ((0, 1, 0, 1, 2, 0), [0, 1, 0, 1, 2]),  # over the longest word, and seen to be so
    ],
)
def test_repeats_and_blanks_are_removed(steps, expected):
    reading = CTCDecoder(5, 4).read_logits(logits_of(*steps), 4)
    assert text(reading.ids[0]) == expected
    assert reading.ids.shape == (1, 5)
    probability = torch.softmax(torch.tensor([4.0, 0, 0, 0]), 0)[0] ** len(steps)
    assert float(reading.confidence[0]) == pytest.approx(float(probability), rel=1e-5)


def test_a_word_reads_the_same_alone_and_in_a_batch():
    torch.manual_seed(0)
    decoder = CTCDecoder(5, 4)
    features = torch.randn(20, 9, 5) * 3
    together = decoder.greedy(features, 6)
    assert len({len(text(ids)) for ids in together.ids}) > 2
    for place, word in enumerate(features):
        alone = decoder.greedy(word[None], 6)
        assert torch.equal(alone.ids[0], together.ids[place])
        assert float(alone.confidence) == pytest.approx(float(together.confidence[place]), rel=1e-5)


def probability_by_listing(logits: torch.Tensor, word: list[int]) -> torch.Tensor:
    """Sum over all alignments of ``[T, classes]`` that give the word."""
    p = logits.softmax(-1)
    total = p.new_zeros(())
    for alignment in itertools.product(range(p.shape[1]), repeat=len(p)):
        collapsed = [c for c, _ in itertools.groupby(alignment) if c != BLANK]
        if collapsed == word:
            total = total + torch.stack([p[t, c] for t, c in enumerate(alignment)]).prod()
    return total


def test_loss_and_gradient_are_those_of_all_alignments_listed():
    torch.manual_seed(1)
    logits = torch.randn(3, 4, 4, dtype=torch.float64, requires_grad=True)
    words = [[0, 1], [2, 2], [1]]
    targets = torch.full((3, 3), PADDING)
    for row, word in enumerate(words):
        targets[row, : len(word) + 1] = torch.tensor([*word, BLANK])
    listed = -sum(torch.log(probability_by_listing(x, w)) for x, w in zip(logits, words, strict=True)) / 3
    (expected,) = torch.autograd.grad(listed, logits)
    loss = CTCDecoder(5, 4).loss(logits, targets)
    (found,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(listed.item(), rel=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_loss_and_gradient_are_torchs_own() -> None:
    """By `torch.nn.CTCLoss` on words one after another, of other lengths, without padding."""
    torch.manual_seed(2)
    logits = torch.randn(40, 12, 30, requires_grad=True)
    words = [torch.randint(0, 29, (int(length),)) for length in torch.randint(1, 7, (40,))]
    targets = torch.full((40, 7), PADDING)
    for row, word in enumerate(words):
        targets[row, : len(word) + 1] = torch.tensor([*word, 29])
    lengths = torch.tensor([len(word) for word in words])
    theirs = torch.nn.CTCLoss(blank=29, reduction="sum")(
        logits.log_softmax(-1).transpose(0, 1), torch.cat(words), torch.full((40,), 12), lengths
    )
    (expected,) = torch.autograd.grad(theirs / 40, logits)
    loss = CTCDecoder(5, 30).loss(logits, targets)
    (found,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(theirs.item() / 40, rel=1e-6)
    torch.testing.assert_close(found, expected)


def test_a_word_that_has_no_alignment_adds_nothing():
    """Three equal characters need five steps."""
    targets = torch.tensor([[0, 0, 0, BLANK], [0, 1, BLANK, PADDING]])
    logits = torch.randn(2, 4, 4, requires_grad=True)
    decoder = CTCDecoder(5, 4)
    loss = decoder.loss(logits, targets)
    assert loss.item() == pytest.approx(decoder.loss(logits[1:], targets[1:]).item() / 2)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[0].any()


@pytest.fixture
def net():
    model = ModelSection.model_validate(
        {"rectifier": {"enabled": False}, "translator": {"kind": "ctc", "encoder_layers": 1, "hidden": 8}}
    )
    space = SearchSpace(width=32, out_width=8, stem_width=8, stage_widths=(8,) * 5, stage_layers=(1,) * 5)
    torch.manual_seed(0)
    architecture = space.default_architecture(space.typical_paths()[0], "k3e1")
    net = build_recognizer(architecture, space, model, classes=4).eval()
    with torch.no_grad():
        net.decoder.classify.weight.mul_(30)
    return net, model.model_copy(update={"image": (32, 32)})


def test_an_image_reads_the_same_alone_and_in_batches(net):
    recognizer, _ = net
    images = torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8)
    recalibrate(recognizer, [images])  # so that the features of images differ
    with torch.no_grad():
        classify, mean = recognizer.decoder.classify, recognizer.features(images).mean((0, 1))
        classify.bias.copy_(-classify.weight @ mean)
    together = [text(ids) for ids in recognizer.read(images, 5).ids]
    assert len(set(map(tuple, together))) > 12
    for size in (1, 7):
        parts = [recognizer.read(part, 5).ids for part in images.split(size)]
        assert [text(ids) for ids in torch.cat(parts)] == together


def test_the_unrolled_reader_reads_alike_and_tells_where(net):
    recognizer, _ = net
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        unrolled = UnrolledReader(recognizer, 5)(images)
    reading = recognizer.read(images, 5)
    assert torch.equal(unrolled.ids, reading.ids)
    best = unrolled.logits.argmax(-1)
    for ids, attention, steps in zip(unrolled.ids, unrolled.attention, best, strict=True):
        for place, character in enumerate(text(ids)):
            assert attention[place].sum() == 1
            assert steps[attention[place].argmax()] == character


def test_the_decoder_costs_its_classifier_at_every_step(net):
    recognizer, model = net
    costs = {cost.name: cost for cost in recognizer_costs(recognizer, model)}
    assert costs["decoder"].macs == 8 * 16 * 4
    assert costs["decoder"].params == 16 * 4 + 4
