"""The supernet of step 2: every layer a choice block with all its candidates, one of them active."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from autostr_nni.models.backbone import to_sequence
from autostr_nni.search_spaces.nni_space import AutoSTRSpace, OperationChoice
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.probe import Probe


class ChoiceBlock(OperationChoice):
    """NNI's choice of a layer, of which only the active candidate runs (paper section 3.2, Figure 3).

    While ``probing``, the backward pass also computes for every candidate j the number
    ``sum(dL/dY * op_j(X))`` of Eq. 5 and leaves it in ``products`` ``[C]``. Inactive candidates then run
    without autograd, one after another, so that no output of theirs is kept.
    """

    active = 0
    probing = False
    products: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.probing:
            y: Tensor = self[self.names[self.active]](x)
            return y
        probe = Probe(list(self), x)
        y = probe.run(self.active, x)
        if y.requires_grad:
            self._watch(y, probe)
        return y

    def _watch(self, y: Tensor, probe: Probe) -> None:
        y_kept, active = y.detach(), self.active

        def hook(gradient: Tensor) -> None:
            self.products = probe.products(gradient, active, y_kept)

        y.register_hook(hook)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take the weights of earlier versions too, which numbered the candidates."""
        for number, name in enumerate(self.names):
            old = f"{prefix}operations.{number}."
            for key in [key for key in state_dict if key.startswith(old)]:
                state_dict[f"{prefix}{name}.{key.removeprefix(old)}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Supernet(AutoSTRSpace):
    """The NNI model space on one stride path, its architectures sharing weights; a drop-in for ``Backbone``.

    Input ``[B, 3, H, W]``, output ``[B, T, C]`` of the active architecture. Weights are initialised from
    torch's global generator.
    """

    choice = ChoiceBlock

    def __init__(self, path: StridePath, space: SearchSpace) -> None:
        super().__init__(space, path=path.full_text)
        self.stride_path = path

    @property
    def choice_blocks(self) -> list[ChoiceBlock]:
        """The choice blocks, first layer first."""
        return [block for block in self.blocks if isinstance(block, ChoiceBlock)]

    def modules_of(self, layer: int, operation: str) -> list[nn.Module]:
        """The candidate of a layer, counted from 0, that is an operation; none where it is not offered."""
        block = self.choice_blocks[layer]
        return [block[operation]] if operation in block.names else []

    def choose(self, indices: Sequence[int]) -> None:
        """Make candidate ``indices[l]`` the active one of every layer l."""
        for block, index in zip(self.choice_blocks, indices, strict=True):
            block.active = int(index)

    def probe(self, on: bool) -> None:
        """Switch the collection of Eq. 5's products on or off, and forget those of the last pass."""
        for block in self.choice_blocks:
            block.probing, block.products = on, None

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if any(block.probing for block in self.choice_blocks) and not x.requires_grad:
            # The weights are frozen in an architecture step: start the graph at the first choice block.
            x = x.detach().requires_grad_()
        for block in self.blocks:
            x = block(x)
        return to_sequence(x)
