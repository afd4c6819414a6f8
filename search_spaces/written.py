"""An architecture as a user writes it: a name, a text, or a JSON file."""

from __future__ import annotations

import json

from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.text_files import is_file, read_text

from . import named
from .architecture import Architecture
from .space import SearchSpace


def parse_architecture(text: str, space: SearchSpace) -> Architecture:
    """Read `ABABB:k5e6,…`, the name of a known architecture, or the name of a JSON file.

    Raises:
        InputError: it is none of these, or not of the space.
    """
    text = text.strip()
    if text in named.NAMED:
        return _named(text, space)
    if names_file(text):
        return _from_file(text, space)
    if ":" not in text:
        raise InputError(
            f"architecture {shown(text)} is neither PATH:OPERATION,OPERATION,… nor a JSON file "
            f"nor one of {', '.join(named.NAMED)}"
        )
    return Architecture.parse(text, space)


def names_file(text: str) -> bool:
    """Whether an architecture is meant to be read from a file of this name."""
    return text.endswith(".json") or is_file(text)


def read_space(name: str) -> SearchSpace:
    """The space that an architecture's JSON file brings along. Raises InputError if it has none."""
    try:
        content = json.loads(_text(name))
        return SearchSpace(**content["space"])
    except InputError as error:
        raise InputError(str(error) if name in str(error) else f"architecture file {name}: {error}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"architecture file {name} cannot be read: it has no usable space ({shown(str(error))[1:-1]})"
        ) from None


def _text(name: str) -> str:
    try:
        return read_text(name)
    except InputError as error:
        raise InputError(f"architecture file {error}") from None


def _named(name: str, space: SearchSpace) -> Architecture:
    architecture, stage_layers = named.lookup(name)
    if stage_layers != space.stage_layers:
        raise InputError(
            f"architecture {name} needs model.stage_layers {list(stage_layers)}, "
            f"but the space has {list(space.stage_layers)}"
        )
    space.check(architecture)
    return architecture


def _from_file(name: str, space: SearchSpace) -> Architecture:
    content = _text(name)
    try:
        return Architecture.from_json(content, space)
    except InputError as error:
        raise InputError(f"architecture file {name}: {error}") from None
