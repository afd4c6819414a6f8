"""The feature translator: bidirectional LSTM layers, then an attention GRU decoder (paper section 4.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autostr_nni.models.attention_gru import AttentionGRU
from autostr_nni.models.decoder_step import Stepping

PADDING = -100  # targets of this value carry no loss
FEWER = 0.75  # greedy decoding goes on with the words that are left where they are at most so many


def recognition_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The attention decoder's loss (paper Eq. 2); see `AttentionDecoder.loss`."""
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING, reduction="sum")
    return total / len(targets)


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
        projected = self.project_features(features)
        if torch.is_grad_enabled():
            states = self._states(targets, features, projected)
        else:
            states = self._given(features, projected, targets)
        logits: Tensor = self.classify(states)
        return logits

    def plain(self, features: Tensor, targets: Tensor) -> Tensor:
        """`forward` by nothing but modules, character by character: for counting and comparing."""
        symbol, state, projected = self.start(features)
        logits = []
        for target in targets.unbind(1):
            state, _ = self.step(symbol, state, features, projected)
            logits.append(self.classify(state))
            symbol = target.clamp_min(0)
        return torch.stack(logits, 1)

    def _states(self, targets: Tensor, features: Tensor, projected: Tensor) -> Tensor:
        """States ``[B, L, state]`` that tell the targets ``[B, L]``, ready for a fast backward pass."""
        inputs = F.pad(targets[:, :-1].clamp_min(0), (1, 0), value=self.bos)
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
    def _given(self, features: Tensor, projected: Tensor, targets: Tensor) -> Tensor:
        """`_states` without a graph; 0 after a word's end."""
        place = torch.arange(1, targets.shape[1] + 1, device=targets.device)
        lengths, order = ((targets != PADDING) * place).amax(1).sort(descending=True)
        stepping = Stepping(self, features[order], projected[order])
        inputs = F.pad(targets[order, :-1].clamp_min(0), (1, 0), value=self.bos)
        state = stepping.features.new_zeros(len(targets), self.gru.hidden_size)
        states = state.new_zeros(*targets.shape, self.gru.hidden_size)
        for step, words in enumerate((lengths[:, None] >= place).sum(0).tolist()):
            if not words:
                break
            state = stepping(inputs[:words, step], state[:words])
            states[order[:words], step] = state
        return states

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy summed over a word's characters and EOS, averaged over the batch (paper Eq. 2).

        ``logits [B, L, classes]``, ``targets [B, L]`` padded with ``PADDING``; a scalar.
        """
        return recognition_loss(logits.float(), targets)

    def word_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The same of every word: ``[B]``."""
        places = logits.float().transpose(1, 2)
        return F.cross_entropy(places, targets, ignore_index=PADDING, reduction="none").sum(1)

    @torch.no_grad()
    def greedy(self, features: Tensor, max_length: int) -> Reading:
        """The most probable character each time, up to ``max_length`` and EOS; stops when every word ended.

        Confidence is the product of the chosen probabilities, EOS included.
        """
        return self._greedy(features, self.project_features(features), max_length, 0)[0]

    @torch.no_grad()
    def greedy_and_logits(self, features: Tensor, targets: Tensor, max_length: int) -> tuple[Reading, Tensor]:
        """`greedy`, and the logits of ``targets [B, L]`` where these are not ``PADDING``.

        A word that is read right passes through the same states as under teacher forcing: only the others
        are gone through again.
        """
        projected = self.project_features(features)
        reading, states = self._greedy(features, projected, max_length, targets.shape[1])
        before = targets[:, :-1]
        ids = F.pad(reading.ids, (0, max(0, before.shape[1] - reading.ids.shape[1])), value=self.eos)
        same = (ids[:, : before.shape[1]] == before) & (before != self.eos)
        other = (~(same | (targets[:, 1:] == PADDING)).all(1)).nonzero()[:, 0]
        if len(other):
            states[other] = self._given(features[other], projected[other], targets[other])
        return reading, self.classify(states)

    def _greedy(
        self, features: Tensor, projected: Tensor, max_length: int, keep: int
    ) -> tuple[Reading, Tensor]:
        """The reading, and the states ``[B, keep, state]`` of the first steps, up to each word's end."""
        stepping = Stepping(self, features, projected)
        words = torch.arange(len(features), device=features.device)  # those that are still looked at
        alive = torch.ones_like(words, dtype=torch.bool)
        previous = torch.full_like(words, self.bos)
        state = stepping.features.new_zeros(len(words), self.gru.hidden_size)
        states = state.new_zeros(len(words), keep, state.shape[1])
        ids = words.new_full((len(words), max_length + 1), self.eos)
        log_confidence = torch.zeros_like(words, dtype=torch.float32)
        for step in range(max_length + 1):
            state = stepping(previous, state)
            if step < keep:
                states[words, step] = state
            best, previous = F.log_softmax(self.classify(state).float(), dim=-1).max(dim=-1)
            log_confidence[words] += best.where(alive, 0.0)
            ids[words, step] = previous = previous.where(alive, self.eos)
            alive = previous != self.eos
            left = int(alive.sum())
            if not left:
                break
            if left <= FEWER * len(words):
                rows = alive.nonzero()[:, 0]
                words, alive, previous, state = words[rows], alive[rows], previous[rows], state[rows]
                stepping.keep(rows)
        return Reading(ids[:, : step + 1], log_confidence.exp()), states

    @torch.no_grad()
    def beam(self, features: Tensor, max_length: int, width: int) -> Reading:
        """Beam search: the finished word of the highest probability among ``width`` kept at each step."""
        batch, steps, cin = features.shape
        wide = features[:, None].expand(batch, width, steps, cin).reshape(batch * width, steps, cin)
        previous, state, projected = self.start(wide)
        stepping = Stepping(self, wide, projected)
        state = state.to(stepping.features.dtype)  # under autocast it has that of the features
        # Beams start equal: all but the first are shut out, so that the first step does not pick copies.
        scores = features.new_full((batch, width), float("-inf"), dtype=torch.float32)
        scores[:, 0] = 0.0
        ended = torch.zeros(batch, width, dtype=torch.bool, device=features.device)
        ids = previous.new_zeros(batch, width, 0)
        rows = torch.arange(batch, device=features.device)[:, None] * width
        for _ in range(max_length + 1):
            state = stepping(previous, state)
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
