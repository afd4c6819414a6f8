"""The supernet of step 2: every layer a choice block with all its candidates, one of them active."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from autostr_nni.models.backbone import build_stem, initialise, to_sequence
from autostr_nni.models.operations import build_operation
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import StridePath
from autostr_nni.supernet.probe import Probe


class ChoiceBlock(nn.Module):
    """Candidate operations of one layer; only the active one runs (paper section 3.2, Figure 3).

    While ``probing``, the backward pass also computes for every candidate j the number
    ``sum(dL/dY * op_j(X))`` of Eq. 5 and leaves it in ``products`` ``[C]``. Inactive candidates then run
    without autograd, one after another, so that no output of theirs is kept.
    """

    def __init__(self, candidates: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(candidates)
        self.operations = nn.ModuleList(candidates.values())
        self.active = 0
        self.probing = False
        self.products: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.probing:
            y: Tensor = self.operations[self.active](x)
            return y
        probe = Probe(list(self.operations), x)
        y = probe.run(self.active, x)
        if y.requires_grad:
            self._watch(y, probe)
        return y

    def _watch(self, y: Tensor, probe: Probe) -> None:
        y_kept, active = y.detach(), self.active

        def hook(gradient: Tensor) -> None:
            self.products = probe.products(gradient, active, y_kept)

        y.register_hook(hook)  # type: ignore[no-untyped-call]


class Supernet(nn.Module):
    """All architectures on one stride path, sharing weights; a drop-in for ``Backbone``.

    Input ``[B, 3, H, W]``, output ``[B, T, C]`` of the active architecture. Weights are initialised from
    torch's global generator.
    """

    def __init__(self, path: StridePath, space: SearchSpace) -> None:
        super().__init__()
        self.path = path
        self.stem = build_stem(space.stem_width)
        blocks = []
        for layer, ((cin, cout), stride) in enumerate(zip(space.layer_widths, path.strides, strict=True), 1):
            names = space.candidates(path, layer)
            blocks.append(
                ChoiceBlock({n: build_operation(n, cin, cout, stride, space.projection_skip) for n in names})
            )
        self.blocks = nn.ModuleList(blocks)
        self.out_channels = space.layer_widths[-1][1]
        initialise(self)

    @property
    def choice_blocks(self) -> list[ChoiceBlock]:
        """The choice blocks, first layer first."""
        return [block for block in self.blocks if isinstance(block, ChoiceBlock)]

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
