"""An architecture as a user writes it: a name, a text, or a JSON file."""

from __future__ import annotations

from pathlib import Path

from . import named
from .architecture import Architecture
from .errors import InputError
from .space import SearchSpace


def parse_architecture(text: str, space: SearchSpace) -> Architecture:
    """Read `ABABB:k5e6,…`, the name of a known architecture, or the name of a JSON file.

    Raises:
        InputError: it is none of these, or not of the space.
    """
    text = text.strip()
    if text in named.NAMED:
        return _named(text, space)
    if text.endswith(".json") or (":" not in text and Path(text).is_file()):
        return _from_file(text, space)
    if ":" not in text:
        raise InputError(
            f"architecture {text!r} is neither PATH:OPERATION,OPERATION,… nor a JSON file "
            f"nor one of {', '.join(named.NAMED)}"
        )
    return Architecture.parse(text, space)


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
    try:
        content = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"architecture file {name} cannot be read: {error}") from None
    try:
        return Architecture.from_json(content, space)
    except InputError as error:
        raise InputError(f"architecture file {name}: {error}") from None
