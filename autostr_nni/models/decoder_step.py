"""The attention decoder's step where no gradient is asked for: evaluation, reading, search of beams.

All that does not depend on the state is computed beforehand, and the attention needs no tanh, which would
take as long as a product of matrices.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autostr_nni.models.attention_gru import gru_step, on_cuda

if TYPE_CHECKING:
    from autostr_nni.models.translator import AttentionDecoder


def largest_half(dtype: torch.dtype) -> float:
    """An x whose exp(2x) is a number, and so is exp(-2x): 39.9 in float32, where exp ends at 88.7."""
    return 0.45 * math.log(torch.finfo(dtype).max)


class Stepping:
    """Steps of one decoder over the words ``features [B, T, C]``: equations as in `AttentionDecoder.step`.

    tanh(p + s) = 1 - 2 / (1 + exp(2p) exp(2s)) for a feature's projection p, whose exponential is known
    beforehand, and the state's s. The softmax over T takes no notice of the 1. Where a sum could be so large
    that an exponential overflows, tanh is used.
    """

    def __init__(self, decoder: AttentionDecoder, features: Tensor, projected: Tensor) -> None:
        dtype = decoder.score.weight.dtype
        given = decoder.embedding.embedding_dim
        with torch.autocast(features.device.type, enabled=False):
            w_symbol, w_context = decoder.gru.weight_ih[:, :given], decoder.gru.weight_ih[:, given:]
            # What a symbol gives to the gates is the same wherever it stands: one row of a table.
            self.table = torch.addmm(decoder.gru.bias_ih, decoder.embedding.weight, w_symbol.t())
            self.of_context = w_context.t()
            self.of_state, self.bias = decoder.gru.weight_hh.t(), decoder.gru.bias_hh
            self.query, score = decoder.project_state.weight.t(), decoder.score.weight[0]
            self.features, self.projected = features.to(dtype), projected.to(dtype)
            # A state lies within -1 and 1.
            of_query = decoder.project_state.weight.abs().sum(1).amax()
            largest = torch.maximum(self.projected.abs().amax(), of_query)
            self.bounded = bool(largest < largest_half(dtype))
            self.score = score * -2 if self.bounded else score
            if self.bounded:
                self.projected = self.projected.mul(2).exp_()
        self.one = score.new_ones(())
        self.energy = torch.empty_like(self.projected)

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the present rows alone."""
        self.features, self.projected = self.features[rows], self.projected[rows]
        self.energy = self.energy[: len(rows)]

    def __call__(self, symbols: Tensor, state: Tensor) -> Tensor:
        """The state ``[b, S]`` after class numbers ``[b]``, for the first ``b`` of those words."""
        rows, size = state.shape
        with torch.autocast(state.device.type, enabled=False):
            own = torch.addmm(self.bias, state, self.of_state)
            asked = torch.mm(state, self.query)
            projected, energy = self.projected[:rows], self.energy[:rows]
            if self.bounded:
                torch.addcmul(self.one, projected, asked.mul_(2).exp_()[:, None], out=energy).reciprocal_()
            else:
                torch.add(projected, asked[:, None], out=energy).tanh_()
            attention = torch.softmax(energy @ self.score, -1)
            context = torch.bmm(attention[:, None], self.features[:rows])[:, 0]
            new = self.table[symbols].addmm_(context, self.of_context)
            if on_cuda(state):
                return gru_step(new, own, state)[0]
            gates = new[:, : 2 * size].add_(own[:, : 2 * size]).sigmoid_()
            candidate = torch.addcmul(new[:, 2 * size :], gates[:, :size], own[:, 2 * size :]).tanh_()
            return torch.lerp(candidate, state, gates[:, size:])
