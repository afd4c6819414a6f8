"""A recognizer as one fixed computation: what is exported, and what shows where the decoder looked."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autostr_nni.models.ctc import CTCDecoder
from autostr_nni.models.recognizer import Recognizer
from autostr_nni.models.translator import AttentionDecoder


class Unrolled(NamedTuple):
    """``steps`` = longest word + 1. What follows a word's end is of no meaning, but it is always the same."""

    ids: Tensor  #: int64 [B, steps], class numbers; EOS ends a word and fills the rest
    confidence: Tensor  #: [B], product of the chosen probabilities, EOS or blanks included
    logits: Tensor  #: [B, steps, classes]; with CTC [B, T, classes]
    attention: Tensor  #: [B, steps, T], sums to 1 over T; with CTC all of it where a character was told


class UnrolledReader(nn.Module):
    """Greedy decoding in a fixed number of steps: no loop that depends on the words, so it can be traced.

    Input: images ``[B, 3, h, w]``, uint8 RGB. Words and confidences are those of ``Recognizer.read``.
    """

    def __init__(self, recognizer: Recognizer, max_length: int) -> None:
        super().__init__()
        self.recognizer, self.steps = recognizer, max_length + 1

    def forward(self, images: Tensor) -> Unrolled:
        decoder = self.recognizer.decoder
        features = self.recognizer.features(images)
        if isinstance(decoder, CTCDecoder):
            logits = decoder(features).float()
            reading = decoder.read_logits(logits, self.steps - 1)
            return Unrolled(*reading, logits, decoder.alignment(logits, self.steps))
        return self._attend(decoder, features)

    def _attend(self, decoder: AttentionDecoder, features: Tensor) -> Unrolled:
        previous, state, projected = decoder.start(features)
        ended = torch.zeros_like(previous, dtype=torch.bool)
        log_confidence = torch.zeros_like(features[:, 0, 0], dtype=torch.float32)
        ids, logits, attentions = [], [], []
        for _ in range(self.steps):
            state, attention = decoder.step(previous, state, features, projected)
            scores = decoder.classify(state).float()
            best, previous = F.log_softmax(scores, dim=-1).max(dim=-1)
            log_confidence = log_confidence + best.masked_fill(ended, 0.0)
            previous = previous.masked_fill(ended, decoder.eos)
            ended = ended | (previous == decoder.eos)
            ids.append(previous)
            logits.append(scores)
            attentions.append(attention)
        return Unrolled(
            torch.stack(ids, 1), log_confidence.exp(), torch.stack(logits, 1), torch.stack(attentions, 1)
        )


class FeatureReader(nn.Module):
    """The recognizer without its decoder: images ``[B, 3, h, w]`` to features ``[B, T, features]``."""

    def __init__(self, recognizer: Recognizer) -> None:
        super().__init__()
        self.recognizer = recognizer

    def forward(self, images: Tensor) -> Tensor:
        return self.recognizer.features(images)
