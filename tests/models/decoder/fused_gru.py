"""torch's GRU kernels, which are for CUDA alone, written out for CPU as torch documents them.

They are registered under torch's own names, so that calls are checked against its signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from autostr_nni.models import attention_gru, decoder_step

Optional = Tensor | None
# Operations that start no kernel on a GPU: they look at memory in another way, or take some.
FREE = {"view", "_unsafe_view", "select", "slice", "t", "transpose", "permute", "unsqueeze", "squeeze"}
FREE |= {"expand", "detach", "alias", "split", "empty", "new_empty", "empty_like", "chunk", "as_strided"}


def fused(
    new: Tensor, own: Tensor, state: Tensor, new_bias: Optional = None, own_bias: Optional = None
) -> tuple[Tensor, Tensor]:
    """The next state, and the workspace: reset, update, candidate, the state, its part of the candidate."""
    assert new_bias is None and own_bias is None
    size = state.shape[1]
    reset, update = torch.sigmoid(new[:, : 2 * size] + own[:, : 2 * size]).chunk(2, 1)
    candidate = torch.tanh(new[:, 2 * size :] + reset * own[:, 2 * size :])
    kept = torch.cat([reset, update, candidate, state, own[:, 2 * size :]], 1)
    return candidate + update * (state - candidate), kept


def fused_backward(d_next: Optional, kept: Tensor, has_bias: bool) -> tuple[Optional, ...]:
    assert d_next is not None and not has_bias
    reset, update, candidate, state, own = kept.chunk(5, 1)
    d_candidate = d_next * (1 - update) * (1 - candidate**2)
    d_gates = [
        d_candidate * own * (1 - reset) * reset,
        d_next * (state - candidate) * (1 - update) * update,
    ]
    d_new, d_own = (torch.cat([*d_gates, last], 1) for last in (d_candidate, d_candidate * reset))
    return d_new, d_own, d_next * update, torch.empty(0), torch.empty(0)


@contextmanager
def as_on_cuda() -> Iterator[None]:
    """Within, the decoder runs on CPU as it does on CUDA."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("_thnn_fused_gru_cell", fused, "CPU")
    library.impl("_thnn_fused_gru_cell_backward", fused_backward, "CPU")
    before = attention_gru.on_cuda
    attention_gru.on_cuda = decoder_step.on_cuda = lambda x: True
    try:
        yield
    finally:
        attention_gru.on_cuda = decoder_step.on_cuda = before
        library._destroy()


class Launches(TorchDispatchMode):
    """Counts the operations that a GPU would be given."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._within = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name not in FREE:
            self.names.append(name)
        return function(*args, **(kwargs or {}))
