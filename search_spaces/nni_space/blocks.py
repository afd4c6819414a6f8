"""The choice blocks of the NNI model space: the candidates of a layer, and the rule for skip-connections."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from nni.mutable import Sample, SampleValidationError
from torch import Tensor, nn

from autostr_nni.models.backbone import build_layer

from ..architecture import operation_key
from ..operations import parse
from ..space import SearchSpace
from ..stride_path import KEEP, StridePath
from .variables import SkipConstraint, StridePathChoice

with warnings.catch_warnings():  # NNI wonders at what torch has added since
    warnings.filterwarnings("ignore", message=".*Buffer.* is found to be not a nn.Module")
    from nni.nas.nn.pytorch import LayerChoice


class LazyOperation(nn.Module):
    """An operation that is built when it is first run: its stride is known once there is a path."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments
        self.operation: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.operation is None:
            self.operation = build_layer(*self.arguments).to(x.device, x.dtype)
        result: Tensor = self.operation(x)
        return result

    def extra_repr(self) -> str:
        return str(self.arguments[-1])


class OperationChoice(LayerChoice):  # type: ignore[misc]
    """The choice block of one layer, counted from 1: its candidates, and the rule for skip-connections.

    Args:
        space: the space whose layer it is.
        layer: number of the layer.
        path: the path that the candidates are built for.
        searched: the variable of paths; None where ``path`` is the only one.
    """

    late: Callable[..., nn.Module] = LazyOperation  # what stands for an operation where paths are searched

    def __init__(
        self, space: SearchSpace, layer: int, path: StridePath, searched: StridePathChoice | None = None
    ) -> None:
        build: Callable[..., nn.Module] = build_layer
        names = space.candidates(path, layer)
        if searched is not None:
            build = self.late
            widths = space.layer_widths[layer - 1]
            barred = {name for name in space.operations if not parse(name).fits(True, space.projection_skip)}
            # The default is the first candidate, and a skip-connection may be barred on the default path.
            names = tuple(sorted(space.layer_candidates(KEEP, *widths), key=lambda name: name in barred))
        super().__init__({n: build(space, path, layer, n) for n in names}, label=operation_key(layer))
        self.names: tuple[str, ...] = tuple(self.names)
        self.constraint: SkipConstraint | None = None
        if searched is not None and _depends_on_path(space, layer):
            # Registered after the choice: NNI goes through variables in order, and a constraint comes last.
            self.constraint = self.add_mutable(SkipConstraint(searched, layer))

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        error: SampleValidationError | None = super().check_contains(sample)
        if error is None and self.constraint is not None:
            return self.constraint.check_contains(sample)
        return error


def _depends_on_path(space: SearchSpace, layer: int) -> bool:
    """Whether a stride bars an operation of a layer that keeps its width."""
    widths = space.layer_widths[layer - 1]
    kept = space.layer_candidates(KEEP, *widths)
    return any(space.layer_candidates(stride, *widths) != kept for stride in space.paths.options)
