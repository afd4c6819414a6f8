"""The translator's reading against plain references: step by step, by enumeration and by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from autostr_nni.models.decoder_step import Stepping
from autostr_nni.models.translator import PADDING, AttentionDecoder, SequenceEncoder
from tests.models.decoder.plain_decoder import distribution, make, trimmed


@torch.no_grad()
def plain_greedy(decoder: AttentionDecoder, word: torch.Tensor, longest: int) -> tuple[list[int], float]:
    ids: list[int] = []
    confidence = 1.0
    while len(ids) <= longest:
        p = distribution(decoder, word, ids)
        ids.append(int(p.argmax()))
        confidence *= float(p.max())
        if ids[-1] == decoder.eos:
            break
    return ids, confidence


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_greedy_equals_a_plain_step_by_step_reading(seed):
    decoder = make(seed=seed)
    features = torch.randn(6, 4, 5) * 3
    reading = decoder.greedy(features, 5)
    for word, ids, confidence in zip(features, reading.ids, reading.confidence, strict=True):
        expected, product = plain_greedy(decoder, word, 5)
        assert trimmed(ids, decoder.eos) == expected
        assert float(confidence) == pytest.approx(product, rel=1e-4)


def test_rows_that_ended_are_filled_with_the_end():
    decoder = make(seed=2)
    reading = decoder.greedy(torch.randn(32, 4, 5) * 3, 8)
    lengths = {len(trimmed(ids, decoder.eos)) for ids in reading.ids}
    assert len(lengths) > 1, "the words should differ in length for this test to say anything"
    for ids in reading.ids:
        end = len(trimmed(ids, decoder.eos))
        assert (ids[end:] == decoder.eos).all()


def count_steps(decoder: AttentionDecoder) -> list[int]:
    calls: list[int] = []
    decoder.classify.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_decoding_stops_when_every_word_has_ended():
    decoder = make()
    with torch.no_grad():
        decoder.classify.bias[decoder.eos] = 1e3
    calls = count_steps(decoder)
    assert decoder.greedy(torch.randn(3, 4, 5), 25).ids.shape == (3, 1)
    assert len(calls) == 1
    assert decoder.beam(torch.randn(3, 4, 5), 25, 1).ids.shape == (3, 1)
    assert len(calls) == 2


def test_decoding_never_runs_beyond_the_longest_word_and_its_end():
    decoder = make()
    with torch.no_grad():
        decoder.classify.bias[decoder.eos] = -1e3
    calls = count_steps(decoder)
    assert decoder.greedy(torch.randn(3, 4, 5), 5).ids.shape == (3, 6)
    assert decoder.beam(torch.randn(3, 4, 5), 5, 2).ids.shape == (3, 6)
    assert len(calls) == 12


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_a_beam_of_one_is_greedy(seed):
    decoder = make(seed=seed)
    features = torch.randn(8, 4, 5) * 3
    greedy, beam = decoder.greedy(features, 6), decoder.beam(features, 6, 1)
    assert torch.equal(greedy.ids, beam.ids)
    assert torch.allclose(greedy.confidence, beam.confidence, rtol=1e-4)


@torch.no_grad()
def best_by_enumeration(
    decoder: AttentionDecoder, word: torch.Tensor, longest: int
) -> tuple[list[int], float]:
    """The most probable of all words that end, or reach ``longest + 1`` characters without an end."""
    best: tuple[list[int], float] = ([], 0.0)
    for length in range(longest + 2):
        for body in itertools.product(range(decoder.eos), repeat=length):
            ids = [*body, decoder.eos] if length <= longest else list(body)
            p = math.prod(float(distribution(decoder, word, ids[:i])[s]) for i, s in enumerate(ids))
            if p > best[1]:
                best = (ids, p)
    return best


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_an_exhaustive_beam_finds_the_most_probable_word(seed):
    decoder = make(classes=3, seed=seed, sharp=2.0)
    features = torch.randn(3, 3, 5)
    longest = 2
    reading = decoder.beam(features, longest, 27)  # 15 words at most are alive at once
    for word, ids, confidence in zip(features, reading.ids, reading.confidence, strict=True):
        expected, p = best_by_enumeration(decoder, word, longest)
        assert trimmed(ids, decoder.eos) == expected
        assert float(confidence) == pytest.approx(p, rel=1e-4)


def test_a_wide_beam_is_never_less_probable_than_greedy():
    decoder = make(seed=2)
    features = torch.randn(16, 4, 5)
    greedy, beam = decoder.greedy(features, 6), decoder.beam(features, 6, 200)
    assert (beam.confidence >= greedy.confidence * (1 - 1e-5)).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("large", [1.0, 1000.0])
@torch.no_grad()
def test_steps_without_a_graph_equal_the_plain_step(dtype, tolerance, large):
    """Also where a sum is too large for its exponential, and after some words were left out."""
    decoder = make(seed=1, sharp=1.5).to(dtype)
    torch.manual_seed(1)
    features = torch.randn(6, 7, 5, dtype=dtype)
    decoder.project_features.bias.mul_(large)
    symbols, state, projected = decoder.start(features)
    stepping = Stepping(decoder, features, projected)
    assert stepping.bounded == (large == 1)
    rows = torch.tensor([4, 0, 2])
    for place in range(6):
        if place == 3:
            stepping.keep(rows)
            symbols, state = symbols[rows], state[rows]
            features, projected = features[rows], projected[rows]
        plain, _ = decoder.step(symbols, state, features, projected)
        state = stepping(symbols, state)
        torch.testing.assert_close(state, plain, rtol=tolerance, atol=tolerance)
        symbols = torch.randint(0, decoder.classes, (len(state),))


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
@pytest.mark.parametrize("longest", [1, 5])
@torch.no_grad()
def test_reading_with_its_loss_is_reading_and_teacher_forcing(seed, longest):
    """Of words read right, wrong from the first or a later character on, and longer than what is read."""
    decoder = make(seed=seed)
    features = torch.randn(12, 4, 5) * 3
    ids = decoder.greedy(features, 5).ids
    targets = torch.full((12, 7), PADDING)
    for row, read in zip(targets, ids, strict=True):
        word = trimmed(read, decoder.eos)
        row[: len(word)] = torch.tensor(word)
    targets[4, 0] = (targets[4, 0] + 1) % decoder.eos
    targets[5, 1] = 0
    targets[6] = torch.tensor([0, 1, 2, 3, 4, 0, 5])
    targets[7] = PADDING
    reading, logits = decoder.greedy_and_logits(features, targets, longest)
    plain, told = decoder.greedy(features, longest), targets != PADDING
    assert torch.equal(reading.ids, plain.ids) and torch.equal(reading.confidence, plain.confidence)
    expected = decoder.plain(features, targets)
    torch.testing.assert_close(logits[told], expected[told], rtol=1e-5, atol=1e-5)


def test_words_read_right_are_not_gone_through_again():
    decoder = make(seed=2)
    features = torch.randn(64, 4, 5) * 3
    ids = decoder.greedy(features, 8).ids
    ends = (ids == decoder.eos).long().argmax(1, keepdim=True)
    targets = ids.masked_fill(torch.arange(ids.shape[1]) > ends, PADDING)
    rows: list[int] = []
    decoder._given = lambda some, *_: rows.append(len(some)) or torch.zeros(len(some), ids.shape[1], 7)
    finished = (ids == decoder.eos).any(1)
    decoder.greedy_and_logits(features[finished], targets[finished], 8)
    assert finished.sum() > 8 and not rows
    wrong = targets[finished]
    wrong[:3, 0] = (wrong[:3, 0] + 1) % decoder.eos
    wrong[:3, 1] = decoder.eos
    decoder.greedy_and_logits(features[finished], wrong, 8)
    assert rows == [3]


def test_features_are_projected_once_per_word():
    decoder = make()
    calls: list[int] = []
    decoder.project_features.register_forward_hook(lambda *_: calls.append(1))
    decoder.greedy(torch.randn(2, 4, 5), 8)
    decoder(torch.randn(2, 4, 5), torch.zeros(2, 6, dtype=torch.long))
    assert len(calls) == 2


def test_begin_of_word_is_only_an_embedding():
    decoder = make(classes=95)
    assert decoder.classify.out_features == 95 and decoder.embedding.num_embeddings == 96
    assert (decoder.eos, decoder.bos) == (94, 95)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_encoder_sizes(layers):
    encoder = SequenceEncoder(6, 4, layers)
    x = torch.randn(2, 5, 6)
    out = encoder(x)
    assert out.shape == (2, 5, encoder.out_features) and encoder.out_features == (8 if layers else 6)
    if not layers:
        assert out is x
    else:  # both directions: the first step knows of the last
        y = x.clone()
        y[:, -1] += 1
        assert not torch.allclose(encoder(y)[:, 0], out[:, 0])
