"""The attention decoder's recurrence under teacher forcing, with its gradient written out.

All symbols are known beforehand, so all that does not depend on the state is done for the whole word at once.
The gradients of the weights are then one matrix product over all steps, where autograd makes one for each
step and adds them up: with the paper's sizes it spends most of its time on that.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class AttentionGRU(torch.autograd.Function):
    """States ``[L, B, S]`` of a GRU that looks at ``features [B, T, C]`` before each of L steps.

    Inputs: ``symbols [L, B, 3S]``, the part of the GRU's input gates that comes from the symbols, with their
    bias; ``projected [B, T, A]``, the features as the attention compares them; the GRU's weights for the
    context ``[3S, C]`` and for the state ``[3S, S]`` with its bias; the attention's projection of the state
    ``[A, S]`` and its score vector ``[A]``. The first state is 0. Equations as in `AttentionDecoder.step`.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        symbols, features, projected, w_context, w_state, b_state, w_query, score = inputs
        steps, batch, size = symbols.shape[0], symbols.shape[1], w_state.shape[1]
        states = symbols.new_zeros(steps + 1, batch, size)
        contexts = symbols.new_empty(steps, batch, features.shape[2])
        energies = projected.new_empty(steps, *projected.shape)
        attentions = projected.new_empty(steps, *projected.shape[:2])
        gates = symbols.new_empty(steps, batch, 4 * size)  # reset, update, candidate, the state's part of it
        for step in range(steps):
            state, energy, gate = states[step], energies[step], gates[step]
            torch.add(projected, F.linear(state, w_query)[:, None], out=energy).tanh_()
            torch.softmax(energy @ score, -1, out=attentions[step])
            torch.bmm(attentions[step][:, None], features, out=contexts[step][:, None])
            own = torch.addmm(b_state, state, w_state.t())
            new = torch.addmm(symbols[step], contexts[step], w_context.t())
            reset_update, candidate = gate[:, : 2 * size], gate[:, 2 * size : 3 * size]
            torch.add(new[:, : 2 * size], own[:, : 2 * size], out=reset_update).sigmoid_()
            gate[:, 3 * size :] = own[:, 2 * size :]
            torch.addcmul(new[:, 2 * size :], gate[:, :size], own[:, 2 * size :], out=candidate).tanh_()
            torch.lerp(candidate, state, gate[:, size : 2 * size], out=states[step + 1])
        ctx.save_for_backward(*inputs[1:], states, contexts, energies, attentions, gates)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(grads[0].device.type, enabled=False):  # a backward pass may be called within one
            return AttentionGRU.gradients(grads[0], *ctx.saved_tensors)

    @staticmethod
    def gradients(d_states: Tensor, *saved: Tensor) -> tuple[Tensor, ...]:
        """Gradients of all inputs from those of the states ``[L, B, S]``."""
        features, _, w_context, w_state, _, w_query, score, *kept = saved
        states, contexts, energies, attentions, gates = kept
        steps, batch, size = d_states.shape
        d_new = states.new_empty(steps, batch, 3 * size)  # of the input gates before their activation
        d_own = states.new_empty(steps, batch, 3 * size)  # of the state's gates
        d_contexts = torch.empty_like(contexts)
        d_queries = states.new_empty(steps, batch, score.shape[0])
        d_projected, d_score = torch.zeros_like(energies[0]), torch.zeros_like(score)
        d_next = torch.zeros_like(states[0])
        for step in reversed(range(steps)):
            energy, attention = energies[step], attentions[step]
            reset, update, candidate, own = gates[step].chunk(4, dim=1)
            d_state = d_states[step] + d_next
            d_candidate = d_state * (1 - update) * (1 - candidate * candidate)
            d_new[step, :, :size] = d_candidate * own * reset * (1 - reset)
            d_new[step, :, size : 2 * size] = d_state * (states[step] - candidate) * update * (1 - update)
            d_new[step, :, 2 * size :] = d_candidate
            d_own[step, :, : 2 * size] = d_new[step, :, : 2 * size]
            d_own[step, :, 2 * size :] = d_candidate * reset
            torch.mm(d_new[step], w_context, out=d_contexts[step])
            d_attention = torch.bmm(features, d_contexts[step][:, :, None])[:, :, 0]
            d_scores = attention * (d_attention - (attention * d_attention).sum(1, keepdim=True))
            d_score += d_scores.flatten() @ energy.flatten(0, 1)
            slope = torch.ops.aten.tanh_backward(score.expand_as(energy), energy)
            torch.bmm(d_scores[:, None], slope, out=d_queries[step][:, None])
            d_projected.addcmul_(d_scores[:, :, None], slope)
            d_next = torch.addmm(d_state * update, d_own[step], w_state).addmm_(d_queries[step], w_query)
        before, all_own = states[:-1].flatten(0, 1), d_own.flatten(0, 1)
        return (
            d_new,
            torch.bmm(attentions.permute(1, 2, 0), d_contexts.transpose(0, 1)),
            d_projected,
            d_new.flatten(0, 1).t() @ contexts.flatten(0, 1),
            all_own.t() @ before,
            all_own.sum(0),
            d_queries.flatten(0, 1).t() @ before,
            d_score,
        )
