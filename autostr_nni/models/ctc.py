"""The CTC translator: one class per step of the sequence, repeats and blanks removed (Graves et al., 2006).

The blank takes the class that ends a word in the attention decoder: both translators have as many classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autostr_nni.models.translator import PADDING, Reading


class CTCDecoder(nn.Module):
    """A linear classifier of every step of the encoded sequence.

    Args:
        cin: features per step of the encoded sequence.
        classes: characters and, as the last class, the blank; in readings it ends a word.
    """

    def __init__(self, cin: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.blank = self.eos = classes - 1
        self.classify = nn.Linear(cin, classes)

    def forward(self, features: Tensor, targets: Tensor | None = None) -> Tensor:
        """Logits ``[B, T, classes]`` of features ``[B, T, cin]``; targets are not looked at."""
        logits: Tensor = self.classify(features)
        return logits

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of a word over all alignments, averaged over the batch; a scalar.

        ``logits [B, T, classes]``; ``targets [B, L]`` as everywhere: characters, the word's end, then
        ``PADDING``. A word that has no alignment in T steps (T < characters + equal neighbours) adds 0.
        """
        return self.word_losses(logits, targets).sum() / len(targets)

    def word_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The same of every word: ``[B]``."""
        steps = logits.new_full((len(logits),), logits.shape[1], dtype=torch.long)
        characters = (targets != PADDING) & (targets != self.eos)
        return F.ctc_loss(
            F.log_softmax(logits.float(), dim=-1).transpose(0, 1),
            targets.masked_fill(~characters, 0),
            steps,
            characters.sum(1),
            blank=self.blank,
            reduction="none",
            zero_infinity=True,
        )

    @torch.no_grad()
    def greedy(self, features: Tensor, max_length: int) -> Reading:
        """The most probable alignment's text; confidence is the probability of that alignment."""
        return self.read_logits(self.classify(features), max_length)

    @torch.no_grad()
    def greedy_and_logits(self, features: Tensor, targets: Tensor, max_length: int) -> tuple[Reading, Tensor]:
        """`greedy`, and the logits that its loss is computed from."""
        logits = self.classify(features)
        return self.read_logits(logits, max_length), logits

    def read_logits(self, logits: Tensor, max_length: int) -> Reading:
        """The reading of logits ``[B, T, classes]``: its first ``max_length + 1`` characters, then ``eos``.

        One more than words have: a reading that is too long is not to be taken for a right one. Made of
        tensor operations of fixed shapes alone, so that it can be traced.
        """
        best, ids = F.log_softmax(logits.float(), dim=-1).max(dim=-1)
        end = torch.full_like(ids[:, :1], self.eos)
        most = max_length + 1
        text = end.expand(-1, most + 1).scatter(1, self._places(ids, most), ids)
        return Reading(text[:, :most], best.sum(1).exp())

    def alignment(self, logits: Tensor, steps: int) -> Tensor:
        """``[B, steps, T]``: 1 where the character of that place in the text was told, else 0."""
        places = self._places(logits.argmax(-1), steps)
        return F.one_hot(places, steps + 1)[:, :, :steps].transpose(1, 2).to(logits.dtype)

    def _places(self, ids: Tensor, last: int) -> Tensor:
        """Place of every step's character in the text ``[B, T]``; ``last`` for blanks and repeats."""
        before = F.pad(ids[:, :-1], (1, 0), value=self.blank)
        told = (ids != self.blank) & (ids != before)
        return torch.where(told, told.long().cumsum(1) - 1, last).clamp_max(last)
