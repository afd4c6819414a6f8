"""One point of the search space: a stride path and an operation per layer, and its written forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from autostr_nni.system.errors import InputError, shown

from . import operations as ops
from .stride_path import STAGE_LAYERS, StridePath


class Space(Protocol):
    """What an architecture needs to know of its `SearchSpace`, which itself is built on architectures."""

    @property
    def layers(self) -> int: ...

    @property
    def stage_layers(self) -> tuple[int, ...]: ...

    def check(self, architecture: Architecture) -> None: ...

    def describe(self) -> dict[str, Any]: ...


def operation_key(layer: int) -> str:
    """Name the parameter that holds the operation of a layer, counted from 1: `op_01`."""
    return f"op_{layer:02d}"


@dataclass(frozen=True)
class Architecture:
    """A backbone: one stride and one operation per layer.

    Attributes:
        path: strides of the layers.
        operations: names of the layers' operations, as in `operations.parse`.
        stage_layers: layers per stage; only says when the path has a short text: no part of equality.

    Raises:
        InputError: an operation is unknown, or the numbers of strides and operations differ. Whether the
            architecture belongs to a space is asked of `SearchSpace.check`.
    """

    path: StridePath
    operations: tuple[str, ...]
    stage_layers: tuple[int, ...] = field(default=STAGE_LAYERS, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in self.operations:
            ops.parse(name)
        if len(self.path) != len(self.operations):
            raise InputError(
                f"an architecture needs one operation per layer: its path has {len(self.path)} layers, "
                f"and {len(self.operations)} operations are given"
            )

    @property
    def text(self) -> str:
        """The short text, `ABABB:k5e6,k5e6,…`, which `parse` reads."""
        return f"{self.path.text(self.stage_layers)}:{','.join(self.operations)}"

    def __str__(self) -> str:
        return self.text

    def to_parameters(self) -> dict[str, str]:
        """Give flat parameters of a trial: `stride_path`, then `op_01` and so on."""
        parameters = {"stride_path": self.path.text(self.stage_layers)}
        parameters.update({operation_key(layer): name for layer, name in enumerate(self.operations, 1)})
        return parameters

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], space: Space) -> Architecture:
        """Read the parameters of a trial; keys other than `stride_path` and `op_…` are left alone.

        Raises:
            InputError: a key is missing or too many, or the architecture is not of the space.
        """
        wanted = ["stride_path", *(operation_key(layer) for layer in range(1, space.layers + 1))]
        for key in wanted:
            if key not in parameters:
                raise InputError(f"parameter {key} is missing: the space has {space.layers} layers")
        for key in parameters:
            if key.startswith("op_") and key not in wanted:
                raise InputError(f"parameter {key} is too many: the space has {space.layers} layers")
        path = StridePath.parse(parameters["stride_path"], space.stage_layers)
        return _checked(path, [parameters[key] for key in wanted[1:]], space)

    @classmethod
    def parse(cls, text: str, space: Space) -> Architecture:
        """Read `ABABB:k5e6,…`; `parse_architecture` also knows names and files.

        Raises:
            InputError: it is no such text, or not of the space.
        """
        path_text, colon, operations = text.partition(":")
        if not colon:
            raise InputError(f"architecture {shown(text)} is not PATH:OPERATION,OPERATION,…")
        names = [name.strip() for name in operations.split(",")]
        return _checked(StridePath.parse(path_text.strip(), space.stage_layers), names, space)

    def to_json(self, space: Space) -> str:
        """Write the architecture with the description of its space, as indented JSON."""
        space.check(self)
        content = {
            "space": space.describe(),
            "stride_path": self.path.full_text,
            "operations": list(self.operations),
        }
        return json.dumps(content, indent=2)

    @classmethod
    def from_json(cls, text: str, space: Space) -> Architecture:
        """Read what `to_json` wrote.

        Raises:
            InputError: not such a text, or written for another space: the message names what differs.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits
            raise InputError(f"architecture is not JSON: {error}") from None
        keys = ["space", "stride_path", "operations"]
        if not isinstance(content, dict) or sorted(content) != sorted(keys):
            raise InputError(f"architecture JSON must be an object with the keys {', '.join(keys)}")
        if not isinstance(content["space"], dict) or not isinstance(content["operations"], list):
            raise InputError("architecture JSON: space must be an object and operations a list")
        here = space.describe()
        for key in sorted({*here, *content["space"]}):
            if content["space"].get(key) != here.get(key):
                raise InputError(
                    f"the architecture is of another space: its {shown(key)[1:-1]} is "
                    f"{shown(content['space'].get(key))}, "
                    f"here it is {here.get(key)}"
                )
        path = StridePath.parse(content["stride_path"], space.stage_layers)
        return _checked(path, content["operations"], space)


def _checked(path: StridePath, names: list[str], space: Space) -> Architecture:
    architecture = Architecture(path, tuple(names), space.stage_layers)
    space.check(architecture)
    return architecture
