"""What all sections of a recipe share: strictness, and the types of paths, sizes and lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo


class Section(BaseModel):
    """A part of a recipe: read-only, of exact types, with no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def absolute(path: Path, info: ValidationInfo) -> Path:
    """Take a relative path against the recipe's folder, where one is known (`context["folder"]`)."""
    path = path.expanduser()
    folder = (info.context or {}).get("folder") if isinstance(info.context, Mapping) else None
    return path if folder is None else Path(folder) / path


def _text_path(value: Any) -> Any:
    if not isinstance(value, str | Path):
        raise ValueError(f"must be a path, not {value!r}")
    if isinstance(value, str) and not value.strip():
        raise ValueError("must be a path, not an empty text")
    return value


# YAML has neither paths nor tuples, so these alone convert; what is inside stays strict.
Folder = Annotated[Path, Field(strict=False), BeforeValidator(_text_path), AfterValidator(absolute)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[tuple[Count, Count], Field(strict=False)]  # height, width in pixels
Counts = Annotated[tuple[Count, ...], Field(strict=False, min_length=1)]
Folders = Annotated[tuple[Folder, ...], Field(strict=False, min_length=1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Betas = Annotated[tuple[Fraction, Fraction], Field(strict=False)]
