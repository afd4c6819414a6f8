"""What all sections of a recipe share: strictness, and the types of paths, sizes and lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from autostr_nni.system.errors import shown


class Section(BaseModel):
    """A part of a recipe: read-only, of exact types, with no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def absolute(path: Path, info: ValidationInfo) -> Path:
    """Take a relative path against the recipe's folder, where one is known (`context["folder"]`)."""
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValueError(f"starts with {path.parts[0]}, and there is nobody of that name") from None
    folder = (info.context or {}).get("folder") if isinstance(info.context, Mapping) else None
    return path if folder is None else Path(folder) / path


def text_path(value: Any) -> Any:
    if not isinstance(value, str | Path):
        raise ValueError(f"must be a path, not {value!r}")
    if isinstance(value, str) and not value.strip():
        raise ValueError("must be a path, not an empty text")
    if "\0" in str(value) or any(len(os.fsencode(part)) > 255 for part in Path(value).parts):
        raise ValueError(f"must be a path, not {shown(str(value))}, which no file can be called")
    if len(os.fsencode(value)) > 3_000:
        raise ValueError("must be a path of less than 3000 characters")
    return value


# YAML has neither paths nor tuples, so these alone convert; what is inside stays strict.
Folder = Annotated[Path, Field(strict=False), BeforeValidator(text_path), AfterValidator(absolute)]
# Upper limits stand far above any sensible value: a slip must not ask for all memory, or take for ever.
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Length = Annotated[int, Field(ge=1, le=1_000)]  # characters of a word
Channels = Annotated[int, Field(ge=1, le=8_192)]
Side = Annotated[int, Field(ge=1, le=4_096)]
Size = Annotated[tuple[Side, Side], Field(strict=False)]  # height, width in pixels
Widths = Annotated[tuple[Channels, ...], Field(strict=False, min_length=1, max_length=20)]
Layers = Annotated[
    tuple[Annotated[int, Field(ge=1, le=50)], ...], Field(strict=False, min_length=1, max_length=20)
]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Betas = Annotated[tuple[Fraction, Fraction], Field(strict=False)]
