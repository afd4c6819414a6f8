"""The supernet over all stride paths: weights by layer and operation, whatever the stride."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from autostr_nni.models.operations import build_operation
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.nni_space import AutoSTRSpace, OperationChoice
from autostr_nni.search_spaces.operation import changes_shape
from autostr_nni.search_spaces.operations import parse
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import Stride, StridePath


def _key(stride: Stride) -> str:
    return f"{stride[0]}x{stride[1]}"


class StridedOperation(nn.Module):
    """An operation of a layer with each stride that it can have there, on the same weights.

    Weights of one name and shape are one parameter: all of an MBConv's, whose residual comes and goes with
    the stride. What only some strides have (a shortcut, a projection) is shared among these.
    """

    def __init__(self, space: SearchSpace, path: StridePath, layer: int, name: str) -> None:
        super().__init__()
        cin, cout = space.layer_widths[layer - 1]
        self.at = nn.ModuleDict()
        shared: dict[str, nn.Parameter] = {}
        for stride in space.paths.options:
            if parse(name).fits(changes_shape(cin, cout, stride), space.projection_skip):
                made = build_operation(name, cin, cout, stride, space.projection_skip)
                _share(made, shared)
                self.at[_key(stride)] = made


def _share(module: nn.Module, shared: dict[str, nn.Parameter]) -> None:
    """Put the parameters that are there already in the place of the module's own."""
    for name, own in list(module.named_parameters()):
        one = shared.setdefault(name, own)
        if one.shape == own.shape:
            holder, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(holder), attribute, one)


class StridedChoice(OperationChoice):
    """The choice block of a layer whose active operation and stride alone run."""

    late = StridedOperation
    active: nn.Module | None = None

    def choose(self, operation: str, stride: Stride) -> None:
        """Make an operation with a stride the active one."""
        self.active = self.module(operation, stride)

    def module(self, operation: str, stride: Stride) -> nn.Module:
        """The module of an operation with a stride."""
        at: nn.ModuleDict = self[operation].at
        return at[_key(stride)]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "active":  # one of the candidates, and no module of its own
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def forward(self, x: Tensor) -> Tensor:
        assert self.active is not None, "no net was chosen"
        y: Tensor = self.active(x)
        return y


class OneShotSupernet(AutoSTRSpace):
    """The NNI model space with all its nets on shared weights; a drop-in for ``Backbone``.

    Input ``[B, 3, H, W]``, output ``[B, T, C]`` of the net that was chosen last. Weights are initialised from
    torch's global generator.
    """

    choice = StridedChoice

    def choose(self, architecture: Architecture) -> None:
        """Make a net the active one."""
        strides = architecture.path.strides
        for block, operation, stride in zip(self.blocks, architecture.operations, strides, strict=True):
            block.choose(operation, stride)  # type: ignore[operator]

    def modules_of(self, layer: int, operation: str) -> list[nn.Module]:
        """An operation of a layer, counted from 0, with each of its strides; none where it is not offered."""
        block: Any = self.blocks[layer]
        return list(block[operation].at.values()) if operation in block.names else []

    def net_state(self, architecture: Architecture) -> dict[str, Tensor]:
        """The weights of a net as its `Backbone` names them."""
        found = {f"stem.{key}": value for key, value in self.stem.state_dict().items()}
        layers = zip(self.blocks, architecture.operations, architecture.path.strides, strict=True)
        for place, (block, operation, stride) in enumerate(layers):
            own = block.module(operation, stride).state_dict()  # type: ignore[operator]
            found.update({f"blocks.{place}.{key}": value for key, value in own.items()})
        return found
