"""The operations that there are, by name. A new one is a subclass of `Operation`, and is registered here.

Those of a user's own come from a module that the recipe names under `extensions`, which calls `register`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from functools import cache

from autostr_nni.system.errors import InputError, shown

from .operation import MBConv, Operation, Residual, Skip

# The candidates of the paper's Table 2, which are a recipe's unless it names others: mobile inverted
# bottlenecks of kernel k and expansion e, and the skip-connection.
OPERATIONS = ("k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6", "skip")
# The operation that every layer has while stride paths are compared: ASTER's residual unit.
DEFAULT_OPERATION = "res3"

_known: dict[str, Operation] = {}
#: Called when an operation is registered: what others have kept of its name holds no more.
when_registered: list[Callable[[], None]] = []


def register(operation: Operation) -> Operation:
    """Make an operation known by its name.

    Raises:
        InputError: the name cannot be one, or is another's.
    """
    name = operation.name
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z][\w.-]{0,39}", name) is None:
        raise InputError(
            f"operation {shown(name)}: a name is a letter and up to 39 letters, digits, dots, dashes or "
            "underscores"
        )
    other = _known.get(name) or _mbconv(name)
    if other is not None and _origin(other) != _origin(operation):
        raise InputError(
            f"operation {name} is there already, of {'.'.join(_origin(other))}; use another name"
        )
    _known[name] = operation
    for forget in when_registered:
        forget()
    return operation


def _origin(operation: Operation) -> tuple[str, str]:
    kind = type(operation)
    return kind.__module__, kind.__qualname__


def parse(name: str) -> Operation:
    """Find an operation by its name: one that is registered, or `k5e6` for an MBConv of kernel 5 and
    expansion 6, of which there are those of the kernels 1, 3, 5, 7, 9 and expansions 1 to 9.

    Raises:
        InputError: no such operation.
    """
    if not isinstance(name, str):
        raise InputError(f"operation {shown(name)} must be a name such as k5e6")
    found = _known.get(name) or _mbconv(name)
    if found is None:
        hint = nearest(name, known())
        raise InputError(f"unknown operation {shown(name)}: use one of {', '.join(known())}{hint}")
    return found


def known() -> list[str]:
    """List the names to choose from: the paper's, and all that are registered."""
    return list(dict.fromkeys((*OPERATIONS, *_known)))


def nearest(name: str, names: list[str]) -> str:
    """Say which name may be meant, for the end of a sentence; nothing where none is near."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
    return f"; did you mean {near[0]}?" if near else ""


@cache
def _mbconv(name: str) -> MBConv | None:
    match = re.fullmatch(r"k([13579])e([1-9])", name)
    return None if match is None else MBConv(int(match[1]), int(match[2]))


register(Skip())
register(Residual())
