"""The variables and constraints of the NNI model space: the stride path, and what a sample must keep to."""

from __future__ import annotations

import random
from collections.abc import Iterator

from nni.mutable import MutableSymbol, Sample, SampleValidationError
from nni.mutable.annotation import Constraint
from nni.mutable.exception import ConstraintViolation, SampleMissingError
from numpy.random import RandomState

from autostr_nni.system.errors import InputError

from ..architecture import Architecture, operation_key
from ..counting import MACS, MILLION, Price
from ..drawing.mutation import mutate
from ..space import SearchSpace
from ..stride_path import StridePath

PATH_KEY = "stride_path"
BUDGET_KEY = "budget_m"


def architecture_of(sample: Sample, space: SearchSpace | None = None) -> Architecture:
    """Read a sample of the model space of a search space; None stands for the paper's.

    Raises:
        InputError: the sample is not of the space.
    """
    return Architecture.from_parameters(sample, space or SearchSpace())


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
        self.space = space
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
        rng = _generator(random_state or RandomState())
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

    def mutate(self, sample: Sample, random_state: RandomState) -> dict[str, str]:
        """Draw a neighbour of a sample: on a neighbouring path that is searched, or with one other operation.

        Whether it keeps to the budget is not asked here.
        """
        architecture = architecture_of(sample, self.space)
        return mutate(self.space, architecture, _generator(random_state), self.typical).to_parameters()

    def extra_repr(self) -> str:
        count = len(self.typical) if self.typical else self.paths.count()
        return f"{count} paths, label={self.label!r}"


def _generator(state: RandomState) -> random.Random:
    return random.Random(int.from_bytes(state.bytes(16), "little"))


class SkipConstraint(Constraint):  # type: ignore[misc]
    """A layer that the path shrinks cannot be a skip-connection, nor another that keeps the shape."""

    def __init__(self, path: StridePathChoice, layer: int) -> None:
        self.path = path
        self.layer = layer
        self.label = f"{operation_key(layer)}/skip"

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        key = operation_key(self.layer)
        if key not in sample:
            return SampleMissingError(key, list(sample))
        space, name = self.path.space, sample[key]
        if name not in space.operations:
            return SampleValidationError(f"layer {self.layer}: operation {name} is not of this space")
        error = self.path.check_contains(sample)
        if error is None and name not in space.candidates(self.path.path_of(sample), self.layer):
            return ConstraintViolation(f"layer {self.layer} changes the shape and cannot be {name}")
        return error

    def extra_repr(self) -> str:
        return f"layer {self.layer}, label={self.label!r}"


class BudgetConstraint(Constraint):  # type: ignore[misc]
    """The backbone may cost so many million MACs at most (paper section 4.2: 450), or of another price."""

    def __init__(self, space: SearchSpace, budget_m: float, price: Price = MACS) -> None:
        self.space = space
        self.budget_m = budget_m
        self.price = price
        self.label = BUDGET_KEY

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        try:
            cost_m = self.price.of(architecture_of(sample, self.space), self.space) / MILLION
        except InputError as error:
            return SampleValidationError(str(error))
        if cost_m > self.budget_m:
            return ConstraintViolation(
                f"the net costs {cost_m:.4g} {self.price.unit}, over the budget of {self.budget_m:g} "
                f"{self.price.unit}"
            )
        return None

    def extra_repr(self) -> str:
        return f"{self.budget_m:g} {self.price.unit}, label={self.label!r}"
