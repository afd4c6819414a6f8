"""The feature translator: bidirectional LSTM layers, then an attention GRU decoder (paper section 4.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autostr_nni.models.attention_gru import AttentionGRU

PADDING = -100  # targets of this value carry no loss


class Reading(NamedTuple):
    """Decoded words: ``ids [B, T]`` class numbers (EOS ends a word), ``confidence [B]`` in 0..1."""

    ids: Tensor
    confidence: Tensor


class SequenceEncoder(nn.Module):
    """Bidirectional LSTM over ``[B, T, cin]``; output ``[B, T, 2 * hidden]``, or the input with 0 layers."""

    def __init__(self, cin: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(cin, hidden, layers, batch_first=True, bidirectional=True) if layers else None
        self.out_features = 2 * hidden if layers else cin

    def forward(self, x: Tensor) -> Tensor:
        return x if self.lstm is None else self.lstm(x.contiguous())[0]


class AttentionDecoder(nn.Module):
    """One-layer GRU decoder with additive attention, left to right.

    Args:
        cin: features per step of the encoded sequence.
        classes: classes that can be predicted, EOS among them as the last, ``classes - 1``. The
            begin-of-word symbol is ``classes``: it has an embedding and is never predicted.
    """

    def __init__(self, cin: int, classes: int, state: int, attention: int, embedding: int) -> None:
        super().__init__()
        self.classes = classes
        self.eos, self.bos = classes - 1, classes
        self.embedding = nn.Embedding(classes + 1, embedding)
        self.project_features = nn.Linear(cin, attention)
        self.project_state = nn.Linear(state, attention, bias=False)
        self.score = nn.Linear(attention, 1, bias=False)
        self.gru = nn.GRUCell(embedding + cin, state)
        self.classify = nn.Linear(state, classes)

    def step(
        self, previous: Tensor, state: Tensor, features: Tensor, projected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One character: new state ``[B, state]`` and attention ``[B, T]`` from class numbers ``[B]``.

        ``projected`` is ``project_features(features)``: computed once per word, not per character.
        """
        energy = torch.tanh(projected + self.project_state(state)[:, None])
        attention = F.softmax(self.score(energy).squeeze(-1), dim=-1)
        context = torch.bmm(attention[:, None], features).squeeze(1)
        return self.gru(torch.cat([self.embedding(previous), context], dim=1), state), attention

    def start(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """First symbol ``[B]``, zero state ``[B, state]`` and projected features ``[B, T, attention]``."""
        batch = features.shape[0]
        previous = torch.full((batch,), self.bos, dtype=torch.long, device=features.device)
        state = features.new_zeros(batch, self.gru.hidden_size)
        return previous, state, self.project_features(features)

    def forward(self, features: Tensor, targets: Tensor) -> Tensor:
        """Teacher forcing: logits ``[B, L, classes]`` for targets ``[B, L]`` padded with ``PADDING``."""
        previous, state, projected = self.start(features)
        inputs = torch.cat([previous[:, None], targets[:, :-1].clamp_min(0)], dim=1)
        if torch.is_grad_enabled():
            states = self._states(inputs, features, projected)
        else:
            each = []
            for symbol in inputs.unbind(1):
                state, _ = self.step(symbol, state, features, projected)
                each.append(state)
            states = torch.stack(each, dim=1)
        logits: Tensor = self.classify(states)
        return logits

    def _states(self, inputs: Tensor, features: Tensor, projected: Tensor) -> Tensor:
        """States ``[B, L, state]`` after each of the symbols ``[B, L]``, ready for a fast backward pass."""
        given = self.embedding.embedding_dim
        w_symbol, w_context = self.gru.weight_ih[:, :given], self.gru.weight_ih[:, given:]
        # What a symbol gives to the gates is the same wherever it stands: one row of a table.
        symbols = F.embedding(inputs.t(), F.linear(self.embedding.weight, w_symbol, self.gru.bias_ih))
        of_state = self.gru.weight_hh, self.gru.bias_hh, self.project_state.weight
        tensors = symbols, features, projected, w_context, *of_state, self.score.weight[0]
        same = [tensor.to(self.score.weight.dtype) for tensor in tensors]
        with torch.autocast(features.device.type, enabled=False):  # its ops are written into given memory
            states: Tensor = AttentionGRU.apply(*same)  # type: ignore[no-untyped-call]
        return states.transpose(0, 1)

    @torch.no_grad()
    def greedy(self, features: Tensor, max_length: int) -> Reading:
        """The most probable character each time, up to ``max_length`` and EOS; stops when every word ended.

        Confidence is the product of the chosen probabilities, EOS included.
        """
        previous, state, projected = self.start(features)
        ended = torch.zeros_like(previous, dtype=torch.bool)
        log_confidence = features.new_zeros(len(features), dtype=torch.float32)
        ids = []
        for _ in range(max_length + 1):
            state, _ = self.step(previous, state, features, projected)
            best, previous = F.log_softmax(self.classify(state).float(), dim=-1).max(dim=-1)
            log_confidence += best.masked_fill(ended, 0.0)
            previous = previous.masked_fill(ended, self.eos)
            ids.append(previous)
            ended |= previous == self.eos
            if bool(ended.all()):
                break
        return Reading(torch.stack(ids, dim=1), log_confidence.exp())

    @torch.no_grad()
    def beam(self, features: Tensor, max_length: int, width: int) -> Reading:
        """Beam search: the finished word of the highest probability among ``width`` kept at each step."""
        batch, steps, cin = features.shape
        wide = features[:, None].expand(batch, width, steps, cin).reshape(batch * width, steps, cin)
        previous, state, projected = self.start(wide)
        # Beams start equal: all but the first are shut out, so that the first step does not pick copies.
        scores = features.new_full((batch, width), float("-inf"), dtype=torch.float32)
        scores[:, 0] = 0.0
        ended = torch.zeros(batch, width, dtype=torch.bool, device=features.device)
        ids = previous.new_zeros(batch, width, 0)
        rows = torch.arange(batch, device=features.device)[:, None] * width
        for _ in range(max_length + 1):
            state, _ = self.step(previous, state, wide, projected)
            log_p = F.log_softmax(self.classify(state).float(), dim=-1).view(batch, width, -1)
            stay = torch.full_like(log_p, float("-inf"))
            stay[..., self.eos] = 0.0
            total = scores[..., None] + torch.where(ended[..., None], stay, log_p)
            scores, flat = total.flatten(1).topk(width, dim=1)
            beam, symbol = flat // self.classes, flat % self.classes
            ids = torch.cat(
                [ids.gather(1, beam[..., None].expand(-1, -1, ids.shape[2])), symbol[..., None]], 2
            )
            ended = ended.gather(1, beam) | (symbol == self.eos)
            state = state[(rows + beam).flatten()]
            previous = symbol.flatten()
            if bool(ended.all()):
                break
        return Reading(ids[:, 0], scores[:, 0].exp())
