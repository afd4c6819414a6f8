"""A small attention decoder, and its probabilities spelt out."""

from __future__ import annotations

import torch

from autostr_nni.models.translator import AttentionDecoder


def make(classes: int = 6, cin: int = 5, seed: int = 0, sharp: float = 3.0) -> AttentionDecoder:
    torch.manual_seed(seed)
    decoder = AttentionDecoder(cin, classes, state=7, attention=4, embedding=3).eval()
    with torch.no_grad():  # larger weights than at the start: words of different lengths come out
        for parameter in decoder.parameters():
            parameter.mul_(sharp)
    return decoder


def distribution(decoder: AttentionDecoder, word: torch.Tensor, prefix: list[int]) -> torch.Tensor:
    """Probabilities after a prefix for one word ``[T, C]``, all computed anew and spelt out."""
    state = torch.zeros(decoder.gru.hidden_size)
    for symbol in [decoder.bos, *prefix]:
        energies = []
        for feature in word:
            hidden = decoder.project_features.weight @ feature + decoder.project_features.bias
            hidden = torch.tanh(hidden + decoder.project_state.weight @ state)
            energies.append(decoder.score.weight[0] @ hidden)
        weights = torch.softmax(torch.stack(energies), 0)
        context = sum(weight * feature for weight, feature in zip(weights, word, strict=True))
        x = torch.cat([decoder.embedding.weight[symbol], context])
        gates = decoder.gru.weight_ih @ x + decoder.gru.bias_ih
        kept = decoder.gru.weight_hh @ state + decoder.gru.bias_hh
        (ri, zi, ni), (rh, zh, nh) = gates.chunk(3), kept.chunk(3)
        r, z = torch.sigmoid(ri + rh), torch.sigmoid(zi + zh)
        state = (1 - z) * torch.tanh(ni + r * nh) + z * state
    return torch.softmax(decoder.classify.weight @ state + decoder.classify.bias, 0)


def trimmed(ids: torch.Tensor, eos: int) -> list[int]:
    out = []
    for number in ids.tolist():
        out.append(number)
        if number == eos:
            break
    return out
