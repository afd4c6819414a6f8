"""The search space as an NNI model space, for NNI's strategies Random, GridSearch and RegularizedEvolution.

A sample of the space is the flat dictionary of a trial: `{"stride_path": "ABABB", "op_01": "k5e6", …}`.
Every path that is drawn, listed or accepted is feasible. That a skip-connection cannot stand where the path
shrinks the map is a constraint of NNI between the path and the layer's operation: its strategies pass over,
or draw again, samples that break one, so that a draw is uniform over all architectures of the space.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from nni.mutable import MutableSymbol, Sample, SampleValidationError, ensure_frozen
from nni.mutable.annotation import Constraint
from nni.mutable.exception import ConstraintViolation, SampleMissingError
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from numpy.random import RandomState
from torch import Tensor, nn

from autostr_nni.models.backbone import Backbone, build_stem, to_sequence
from autostr_nni.models.operations import build_operation
from autostr_nni.system.errors import InputError

from .architecture import Architecture, operation_key
from .space import SearchSpace
from .stride_path import KEEP, Stride, StridePath

PATH_KEY = "stride_path"


def architecture_of(sample: Sample, space: SearchSpace | None = None) -> Architecture:
    """Read a sample of the model space of a search space; None stands for the paper's.

    Raises:
        InputError: the sample is not of the space.
    """
    return Architecture.from_parameters(sample, space or SearchSpace())


def default_backbone(path: StridePath, space: SearchSpace, operation: str) -> Backbone:
    """The backbone of step 1: one operation everywhere, which need not be one that is searched."""
    return Backbone(space.default_architecture(path, operation), space)


class StridePathChoice(MutableSymbol):  # type: ignore[misc]
    """The stride-path constraint mutator: one variable whose values are the feasible stride paths.

    A value is the text of a path (`ABABB`, or one character per layer), as a trial's parameters have it.

    Args:
        space: the space whose paths are searched.
        typical: search only paths that downsample at the first layers of stages.
        label: name of the variable in samples.
    """

    def __init__(self, space: SearchSpace, typical: bool = False, label: str = PATH_KEY) -> None:
        super().__init__(label)
        self.paths = space.paths
        self.stage_layers = space.stage_layers
        self.typical = tuple(space.typical_paths()) if typical else None
        if typical and not self.typical:
            raise InputError("the space has no typical stride path: search all of them")

    def path_of(self, sample: Sample) -> StridePath:
        """Read the path of a sample.

        Raises:
            SampleValidationError: it has none, or one that is not searched here.
        """
        if self.label not in sample:
            raise SampleMissingError(self.label, list(sample))
        text = sample[self.label]
        try:
            path = StridePath.parse(text, self.stage_layers)
        except InputError as error:
            raise SampleValidationError(str(error)) from None
        reason = self.paths.why_not(path)
        if reason is None and self.typical is not None and path not in self.typical:
            reason = "it is not a typical path"
        if reason:
            raise SampleValidationError(f"stride path {text} is not feasible: {reason}")
        return path

    def text(self, path: StridePath) -> str:
        """The one text of a path that draws and listings use."""
        return path.text(self.stage_layers)

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        try:
            self.path_of(sample)
        except SampleValidationError as error:
            return error
        return None

    def freeze(self, sample: Sample) -> str:
        return self.text(self.path_of(sample))

    def _fill(self, memo: Sample | None, path: StridePath) -> str:
        text = self.text(path)
        if memo is not None:
            memo[self.label] = text
        return text

    def default(self, memo: Sample | None = None) -> str:
        """The first path: AABBB in the paper's space if only typical paths are searched."""
        if memo is not None and self.label in memo:
            return self.freeze(memo)
        return self._fill(memo, self.typical[0] if self.typical else self.paths.at(0))

    def random(self, memo: Sample | None = None, random_state: RandomState | None = None) -> str:
        """Draw a path, each with the same chance."""
        if memo is not None and self.label in memo:
            return self.freeze(memo)
        state = random_state or RandomState()
        rng = random.Random(int.from_bytes(state.bytes(16), "little"))
        return self._fill(memo, rng.choice(self.typical) if self.typical else self.paths.sample(rng))

    def grid(self, memo: Sample | None = None, granularity: int | None = None) -> Iterator[str]:
        """List all paths in order, each put into the memo in turn."""
        if memo is not None and self.label in memo:
            yield self.freeze(memo)
            return
        for path in self.typical or self.paths:
            yield self._fill(memo, path)
        if memo is not None:
            memo.pop(self.label)

    def neighbours(self, text: str) -> list[str]:
        """List the searched paths that differ from a path in two layers."""
        found = self.paths.neighbours(self.path_of({self.label: text}))
        return [self.text(near) for near in found if self.typical is None or near in self.typical]

    def extra_repr(self) -> str:
        count = len(self.typical) if self.typical else self.paths.count()
        return f"{count} paths, label={self.label!r}"


class SkipConstraint(Constraint):  # type: ignore[misc]
    """A layer that the path shrinks cannot be a skip-connection."""

    def __init__(self, path: StridePathChoice, layer: int) -> None:
        self.path = path
        self.layer = layer
        self.label = f"{operation_key(layer)}/skip"

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        operation = operation_key(self.layer)
        if operation not in sample:
            return SampleMissingError(operation, list(sample))
        if sample[operation] != "skip":
            return None
        error = self.path.check_contains(sample)
        if error is None and self.path.path_of(sample).strides[self.layer - 1] != KEEP:
            return ConstraintViolation(f"layer {self.layer} changes the shape and cannot be skip")
        return error

    def extra_repr(self) -> str:
        return f"layer {self.layer}, label={self.label!r}"


class LazyOperation(nn.Module):
    """An operation that is built when it is first run: a space of 15 x 7 of them stays light."""

    def __init__(self, name: str, cin: int, cout: int, stride: Stride, projection_skip: bool) -> None:
        super().__init__()
        self.arguments = (name, cin, cout, stride, projection_skip)
        self.operation: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.operation is None:
            self.operation = build_operation(*self.arguments).to(x.device, x.dtype)
        result: Tensor = self.operation(x)
        return result

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.arguments))


class OperationChoice(LayerChoice):  # type: ignore[misc]
    """The choice block of one layer, counted from 1: its candidates, and the rule for skip-connections."""

    def __init__(self, space: SearchSpace, layer: int, path: StridePathChoice) -> None:
        widths = space.layer_widths[layer - 1]
        # The default is the first candidate, and a skip-connection may be barred on the default path.
        names = sorted(space.layer_candidates(KEEP, *widths), key=lambda name: name == "skip")
        stride = path.path_of({path.label: ensure_frozen(path)}).strides[layer - 1]
        candidates = {name: LazyOperation(name, *widths, stride, space.projection_skip) for name in names}
        super().__init__(candidates, label=operation_key(layer))
        self.constraint: SkipConstraint | None = None
        if "skip" in names and not space.projection_skip:
            # Registered after the choice: NNI goes through variables in order, and a constraint comes last.
            self.constraint = self.add_mutable(SkipConstraint(path, layer))

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        error: SampleValidationError | None = super().check_contains(sample)
        if error is None and self.constraint is not None:
            return self.constraint.check_contains(sample)
        return error


class AutoSTRSpace(ModelSpace):  # type: ignore[misc]
    """The backbones of a search space: a stride path, and a choice block per layer.

    Freezing gives a `Backbone`: [B, 3, H, W] to [B, out_height * out_width, C]. The space itself runs its
    default architecture on the same input, for a check only.

    Args:
        space: the space to search; None stands for the paper's.
        typical: search only typical stride paths, ten in the paper's space.
    """

    def __init__(self, space: SearchSpace | None = None, typical: bool = False) -> None:
        super().__init__()
        self.space = space or SearchSpace()
        self.path = self.add_mutable(StridePathChoice(self.space, typical))
        self.stem = build_stem(self.space.stem_width)
        self.blocks = nn.ModuleList(
            OperationChoice(self.space, layer, self.path) for layer in range(1, self.space.layers + 1)
        )

    def architecture_of(self, sample: Sample) -> Architecture:
        """Read a sample of this space.

        Raises:
            SampleValidationError: the sample is not of this space.
        """
        self.validate(sample)
        return architecture_of(sample, self.space)

    def freeze(self, sample: Sample) -> Backbone:
        """Build the backbone of a sample, with new weights."""
        return Backbone(self.architecture_of(sample), self.space)

    @classmethod
    def create_fixed_module(
        cls, sample: Sample, space: SearchSpace | None = None, typical: bool = False
    ) -> Backbone:
        """Build the backbone of a sample without building the space; NNI calls it to run a trial."""
        return Backbone(architecture_of(sample, space), space or SearchSpace())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return to_sequence(x)
