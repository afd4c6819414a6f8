"""The names of the operations that a layer may have, and what a name means."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from autostr_nni.system.errors import InputError, shown

# Table 2 of the paper: mobile inverted bottlenecks of kernel k and expansion e, and the skip-connection.
OPERATIONS = ("k3e1", "k3e3", "k3e6", "k5e1", "k5e3", "k5e6", "skip")
# The operation that every layer has while stride paths are compared: ASTER's residual unit.
DEFAULT_OPERATION = "res3"


@dataclass(frozen=True)
class OperationSpec:
    """What an operation is made of.

    Attributes:
        kind: `mbconv`: 1x1 expand-BN-ReLU6 (none if expansion is 1), k x k depthwise-BN-ReLU6,
            1x1 project-BN;
            `res3`: 1x1 convolution with the stride, 3x3 convolution, shortcut; `skip`: the input itself.
        kernel: the side of the kernel.
        expansion: hidden channels over input channels.
    """

    kind: Literal["mbconv", "skip", "res3"]
    kernel: int = 1
    expansion: int = 1


def parse(name: str) -> OperationSpec:
    """Read an operation's name: `skip`, `res3`, or `k5e6` for an MBConv of kernel 5 and expansion 6.

    Raises:
        InputError: no such operation.
    """
    if not isinstance(name, str):
        raise InputError(f"operation {shown(name)} must be a name such as k5e6")
    return _parse(name)


@cache
def _parse(name: str) -> OperationSpec:
    if name == "skip":
        return OperationSpec("skip")
    if name == "res3":
        return OperationSpec("res3", kernel=3)
    match = re.fullmatch(r"k([13579])e([1-9])", name)
    if match is None:
        known = [*OPERATIONS, DEFAULT_OPERATION]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"unknown operation {shown(name)}: use one of {', '.join(known)}{hint}")
    return OperationSpec("mbconv", int(match[1]), int(match[2]))
