"""From architecture parameters to one architecture under the budget (paper section 4.2: under 450 M)."""

from __future__ import annotations

from collections.abc import Sequence

from autostr_nni.search_spaces.errors import InputError
from autostr_nni.strategies.architecture_parameters import ArchitectureParameters


class SampledUnderBudget:
    """Remembers the architectures that were drawn in the search and cost less than the budget."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.seen: set[tuple[int, ...]] = set()

    def add(self, indices: Sequence[int], macs: int) -> None:
        """Note one draw."""
        if macs < self.budget:
            self.seen.add(tuple(indices))

    def state_dict(self) -> list[list[int]]:
        """The remembered draws, in a fixed order."""
        return sorted(list(indices) for indices in self.seen)

    def load_state_dict(self, state: list[list[int]]) -> None:
        """Put remembered draws back."""
        self.seen = {tuple(indices) for indices in state}


def derive(parameters: ArchitectureParameters, sampled: SampledUnderBudget) -> list[int]:
    """The argmax architecture; if it is over the budget, the most probable sampled one under it.

    Raises:
        InputError: the argmax is over the budget and so was everything that the search ever drew.
    """
    best = parameters.most_probable()
    if parameters.total_macs(best) < sampled.budget:
        return best
    if not sampled.seen:
        raise InputError(
            f"search.operators.budget_m: no architecture under {sampled.budget / 1e6:g} M MACs was drawn in "
            "the search; raise the budget, raise beta, or search longer"
        )
    ranked = max(sorted(sampled.seen), key=parameters.log_probability)
    return list(ranked)
