"""What NNI's one-shot strategies have found on an `AutoSTRSpace` of one path."""

from __future__ import annotations

import math

from nni.nas.oneshot.pytorch.strategy import OneShotStrategy

from autostr_nni.search_spaces.architecture import Architecture, operation_key
from autostr_nni.search_spaces.counting import MACS, MILLION
from autostr_nni.search_spaces.nni_space import AutoSTRSpace
from autostr_nni.supernet.budget import most_probable_within
from autostr_nni.system.errors import InputError


def found(strategy: OneShotStrategy) -> Architecture:
    """The most probable architecture within the budget, of DARTS, GumbelDARTS or Proxyless after a run.

    Their own `list_models` takes no account of a budget (an export over it raises `SampleValidationError`),
    and that of Proxyless draws at random.

    Raises:
        InputError: nothing is within the budget, or the strategy has no probabilities of operations.
    """
    supernet = strategy.supernet
    if not isinstance(supernet, AutoSTRSpace) or supernet.only is None:
        raise InputError("one-shot strategies need AutoSTRSpace(space, path=...), on one path")
    chances = strategy.oneshot_module.export_probs()
    space, path = supernet.space, supernet.only
    price = MACS if supernet.budget is None else supernet.budget.price
    table = price.table(path, space)
    keys = [operation_key(layer) for layer in range(1, space.layers + 1)]
    if any(key not in chances for key in keys):
        raise InputError(f"{type(strategy).__name__} keeps no probabilities of operations")
    names = [list(layer) for layer in table]
    log_p = [[math.log(chances[key][n]) for n in layer] for key, layer in zip(keys, names, strict=True)]
    costs = [list(layer.values()) for layer in table]
    budget = supernet.budget.budget_m * MILLION if supernet.budget is not None else math.inf
    room = min(int(min(budget, 2**62)) - price.fixed(space), sum(max(layer) for layer in costs))
    chosen = most_probable_within(log_p, costs, room, price)
    operations = tuple(layer[i] for layer, i in zip(names, chosen, strict=True))
    return Architecture(path, operations, space.stage_layers)
