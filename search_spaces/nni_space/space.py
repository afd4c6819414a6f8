"""The search space as an NNI model space: the nets of trials are it frozen, the supernet is it on one path.

A sample of the space is the flat dictionary of a trial: `{"stride_path": "ABABB", "op_01": "k5e6", …}`.
Every path that is drawn, listed or accepted is feasible. That a skip-connection cannot stand where the path
shrinks the map, and that a net keeps to the budget, are constraints of NNI: its strategies pass over,
or draw again, samples that break one, so that a draw is uniform over all architectures that are searched.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from nni.mutable import LabeledMutable, Sample, SampleValidationError, ensure_frozen
from torch import Tensor, nn

from autostr_nni.models.backbone import Backbone, build_stem, initialise, to_sequence
from autostr_nni.system.errors import InputError

from ..architecture import Architecture
from ..counting import MACS, Price
from ..space import SearchSpace
from ..stride_path import StridePath
from .blocks import OperationChoice
from .variables import PATH_KEY, BudgetConstraint, StridePathChoice, architecture_of

with warnings.catch_warnings():  # NNI wonders at what torch has added since
    warnings.filterwarnings("ignore", message=".*Buffer.* is found to be not a nn.Module")
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace


def sample_of(architecture: Architecture) -> dict[str, str]:
    """The sample that is an architecture, in any space: `architecture_of` of it gives it back."""
    return {**architecture.to_parameters(), PATH_KEY: architecture.path.full_text}


def frozen_net(architecture: Architecture, space: SearchSpace) -> Backbone:
    """The backbone of a trial: the model space frozen by the trial's sample, with new weights.

    Operations may also be the default one of step 1, which need not be one that is searched.

    Raises:
        InputError: the architecture is not one of the space.
    """
    return AutoSTRSpace.create_fixed_module(sample_of(architecture), space)


def default_backbone(path: StridePath, space: SearchSpace, operation: str) -> Backbone:
    """The backbone of step 1: one operation everywhere, which need not be one that is searched."""
    return frozen_net(space.default_architecture(path, operation), space)


class AutoSTRSpace(ModelSpace):  # type: ignore[misc]
    """The backbones of a search space: a stride path, and a choice block per layer.

    Freezing gives a `Backbone`: [B, 3, H, W] to [B, out_height * out_width, C]. The space itself runs its
    default architecture on the same input, for a check only.

    On one ``path`` the operations alone are variables, and their candidates have weights: so NNI's one-shot
    strategies (DARTS, Proxyless, RandomOneShot, ENAS) take the space, and so our supernet does. A sample then
    needs no path; whether it keeps to the budget is asked when it is frozen.

    Args:
        space: the space to search; None stands for the paper's.
        typical: search only typical stride paths, ten in the paper's space.
        budget_m: million MACs that a backbone may cost at most; None: any.
        path: the one stride path, as text; None: all that are feasible.
        price: what the budget is counted in, if not MACs; a million to its unit.

    Raises:
        InputError: there is no typical path, or ``path`` is none of the space.
    """

    choice: type[OperationChoice] = OperationChoice

    def __init__(
        self,
        space: SearchSpace | None = None,
        typical: bool = False,
        budget_m: float | None = None,
        path: str | None = None,
        price: Price = MACS,
    ) -> None:
        super().__init__()
        self.space = space or SearchSpace()
        self.budget = None if budget_m is None else BudgetConstraint(self.space, budget_m, price)
        self.path = StridePathChoice(self.space, typical)
        self.only: StridePath | None = None
        if path is None:
            self.add_mutable(self.path)
            default = self.path.path_of({PATH_KEY: ensure_frozen(self.path)})
        else:
            try:
                default = self.only = self.path.path_of({PATH_KEY: path})
            except SampleValidationError as error:
                raise InputError(str(error)) from None
        searched = self.path if path is None else None
        self.stem = build_stem(self.space.stem_width)
        self.blocks = nn.ModuleList(
            self.choice(self.space, layer, default, searched) for layer in range(1, self.space.layers + 1)
        )
        self.out_channels = self.space.layer_widths[-1][1]
        initialise(self)

    def leaf_mutables(self, is_leaf: Callable[[Any], bool]) -> Iterable[LabeledMutable]:
        yield from super().leaf_mutables(is_leaf)
        if self.budget is not None and self.only is None:  # last, when all that it needs is drawn
            yield self.budget

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        sample = self._whole(sample)
        error: SampleValidationError | None = self.path.check_contains(sample)
        if error is None and self.only is not None and self.path.path_of(sample) != self.only:
            error = SampleValidationError(
                f"stride path {sample[PATH_KEY]} is not {self.path.text(self.only)}"
            )
        error = error or super().check_contains(sample)
        return error or (self.budget.check_contains(sample) if self.budget is not None else None)

    def _whole(self, sample: Sample) -> Sample:
        return sample if self.only is None else {PATH_KEY: self.path.text(self.only), **sample}

    def architecture_of(self, sample: Sample) -> Architecture:
        """Read a sample of this space.

        Raises:
            SampleValidationError: the sample is not of this space.
        """
        self.validate(sample)
        return architecture_of(self._whole(sample), self.space)

    def freeze(self, sample: Sample) -> Backbone:
        """Build the backbone of a sample, with new weights."""
        return frozen_net(self.architecture_of(sample), self.space)

    @classmethod
    def create_fixed_module(
        cls,
        sample: Sample,
        space: SearchSpace | None = None,
        typical: bool = False,
        budget_m: float | None = None,
        path: str | None = None,
        price: Price = MACS,
    ) -> Backbone:
        """Build the backbone of a sample without building the space; NNI calls it to run a trial."""
        given = {} if path is None else {PATH_KEY: path}
        return Backbone(architecture_of({**given, **sample}, space), space or SearchSpace())

    def extra_oneshot_hooks(self, strategy: Any) -> list[Callable[..., Any]]:
        """NNI's one-shot strategies ask here how to replace our choices: they take plain ones."""

        def replace(module: nn.Module, name: str, memo: dict[str, Any], options: dict[str, Any]) -> Any:
            if not isinstance(module, OperationChoice):
                return None
            plain = LayerChoice(module.candidates, label=module.label)
            made = (hook(plain, name, memo, options) for hook in strategy.default_mutation_hooks())
            return next(one for one in made if isinstance(one, nn.Module))

        return [replace]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return to_sequence(x)
