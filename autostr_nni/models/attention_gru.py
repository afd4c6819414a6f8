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
        contexts = symbols.new_empty(steps, batch, features.shape[2])
        energies = projected.new_empty(steps, *projected.shape)
        attentions = projected.new_empty(steps, *projected.shape[:2])
        states, gates = [symbols.new_zeros(batch, size)], []
        for step in range(steps):
            state, energy = states[step], energies[step]
            torch.add(projected, F.linear(state, w_query)[:, None], out=energy).tanh_()
            torch.softmax(energy @ score, -1, out=attentions[step])
            torch.bmm(attentions[step][:, None], features, out=contexts[step][:, None])
            own = torch.addmm(b_state, state, w_state.t())
            new = torch.addmm(symbols[step], contexts[step], w_context.t())
            state, gate = gru_step(new, own, state)
            states.append(state)
            gates.append(gate)
        all_states = torch.stack(states)
        ctx.save_for_backward(*inputs[1:], all_states, contexts, energies, attentions, *gates)
        return all_states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(grads[0].device.type, enabled=False):  # a backward pass may be called within one
            return AttentionGRU.gradients(grads[0], *ctx.saved_tensors)

    @staticmethod
    def gradients(d_states: Tensor, *saved: Tensor) -> tuple[Tensor, ...]:
        """Gradients of all inputs from those of the states ``[L, B, S]``."""
        features, _, w_context, w_state, _, w_query, score, *kept = saved
        states, contexts, energies, attentions, *gates = kept
        steps, batch = d_states.shape[:2]
        d_contexts, d_scores = torch.empty_like(contexts), torch.empty_like(attentions)
        d_queries = states.new_empty(steps, batch, score.shape[0])
        d_projected = torch.zeros_like(energies[0])
        d_new, d_own = (
            [],
            [],
        )  # of the input's gates and of the state's before their activation, last step first
        d_state = d_states[-1]
        for step in reversed(range(steps)):
            energy, d_score = energies[step], d_scores[step]
            new, own, d_before = gru_step_gradients(d_state, gates[step])
            d_new.append(new)
            d_own.append(own)
            torch.mm(new, w_context, out=d_contexts[step])
            d_attention = torch.bmm(features, d_contexts[step][:, :, None])[:, :, 0]
            torch._softmax_backward_data(
                d_attention, attentions[step], -1, d_attention.dtype, grad_input=d_score
            )
            slope = torch.ops.aten.tanh_backward(score.expand_as(energy), energy)
            torch.bmm(d_score[:, None], slope, out=d_queries[step][:, None])
            d_projected.addcmul_(d_score[:, :, None], slope)
            if step:
                d_next = d_before.addmm_(own, w_state).addmm_(d_queries[step], w_query)
                d_state = d_next.add_(d_states[step - 1])
        all_new, all_own = torch.stack(d_new[::-1]), torch.stack(d_own[::-1]).flatten(0, 1)
        before = states[:-1].flatten(0, 1)
        return (
            all_new,
            torch.bmm(attentions.permute(1, 2, 0), d_contexts.transpose(0, 1)),
            d_projected,
            all_new.flatten(0, 1).t() @ contexts.flatten(0, 1),
            all_own.t() @ before,
            all_own.sum(0),
            d_queries.flatten(0, 1).t() @ before,
            d_scores.flatten() @ energies.flatten(0, 2),
        )


def gru_step(new: Tensor, own: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The next state ``[B, S]`` of a GRU, and ``[B, 5 S]`` that `gru_step_gradients` needs.

    ``new`` and ``own`` ``[B, 3 S]``: what the input and the state give to the gates reset, update and
    candidate, in this order, before the activation. On CUDA it is one of torch's kernels, that of
    `nn.GRUCell`: a step is little work in many kernels, and a GPU waits for each to be launched.
    """
    if on_cuda(state):
        told: tuple[Tensor, Tensor] = torch.ops.aten._thnn_fused_gru_cell(new, own, state)
        return told
    size = state.shape[1]
    kept = state.new_empty(len(state), 5 * size)
    reset, update, candidate, before, of_state = kept.chunk(5, 1)
    torch.add(new[:, : 2 * size], own[:, : 2 * size], out=kept[:, : 2 * size]).sigmoid_()
    torch.addcmul(new[:, 2 * size :], reset, own[:, 2 * size :], out=candidate).tanh_()
    before.copy_(state)
    of_state.copy_(own[:, 2 * size :])
    return torch.lerp(candidate, state, update), kept


def gru_step_gradients(d_next: Tensor, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``new``, ``own`` and ``state`` from that of the next state."""
    if on_cuda(kept):
        found = torch.ops.aten._thnn_fused_gru_cell_backward(d_next, kept, False)
        return found[0], found[1], found[2]
    reset, update, candidate, state, own = kept.chunk(5, 1)
    d_candidate = d_next * (1 - update) * (1 - candidate * candidate)
    d_reset = d_candidate * own * reset * (1 - reset)
    d_update = d_next * (state - candidate) * update * (1 - update)
    d_new = torch.cat([d_reset, d_update, d_candidate], 1)
    d_own = torch.cat([d_reset, d_update, d_candidate * reset], 1)
    return d_new, d_own, d_next * update


def on_cuda(x: Tensor) -> bool:
    """Whether torch's kernels, which are for CUDA alone, can be used."""
    return x.is_cuda
