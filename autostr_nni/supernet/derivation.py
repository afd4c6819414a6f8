"""From architecture parameters to one architecture within the budget (paper section 4.2: under 450 M)."""

from __future__ import annotations

from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.budget import most_probable_within


def derive(parameters: ArchitectureParameters, budget: int) -> list[int]:
    """The most probable architecture of at most ``budget`` MACs: the argmax of every layer where that fits.

    Raises:
        InputError: none fits.
    """
    best = parameters.most_probable()
    if parameters.total_macs(best) <= budget:
        return best
    room = budget - parameters.fixed_macs
    return most_probable_within(parameters.log_probabilities(), parameters.macs, room)
