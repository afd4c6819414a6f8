"""From architecture parameters to architectures within the budget (paper section 4.2: under 450 M)."""

from __future__ import annotations

import torch

from autostr_nni.supernet.architecture_parameters import ArchitectureParameters
from autostr_nni.supernet.budget import most_probable_within

_DRAWS = 20  # for each architecture that is wanted


def derive(parameters: ArchitectureParameters, budget: int) -> list[int]:
    """The most probable architecture of at most the cost ``budget``: the argmax of every layer where it fits.

    Raises:
        InputError: none fits.
    """
    best = parameters.most_probable()
    if parameters.total(best) <= budget:
        return best
    room = budget - parameters.fixed
    return most_probable_within(parameters.log_probabilities(), parameters.costs, room, parameters.price)


def derive_several(
    parameters: ArchitectureParameters, budget: int, count: int, generator: torch.Generator
) -> list[list[int]]:
    """The most probable architecture within ``budget``, then distinct ones drawn by the probabilities.

    There are fewer than ``count`` where draws repeat themselves, as those of decided operations do.

    Raises:
        InputError: none fits.
    """
    found = [derive(parameters, budget)]
    for _ in range(_DRAWS * count):
        if len(found) == count:
            break
        drawn = parameters.draw(generator, budget=budget)
        if drawn not in found:
            found.append(drawn)
    return found
