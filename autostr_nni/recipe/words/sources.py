"""Word image sets as a recipe names them: a folder, or a folder with its share of an epoch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from autostr_nni.recipe.base import Folder, Section

#: Subsets that the field scores by: labels of 0-9, a-z and A-Z alone, and of those the longer than two.
FilterName = Literal["alphanumeric", "alphanumeric_3"]


class WordSource(Section):
    """A set, or a folder searched for sets, and what is done with its words.

    A folder alone is written, and told in files, as the text that it is.
    """

    set: Folder
    weight: Annotated[float, Field(ge=0.0)] | None = None  # its share, over the sum of all; null: no shares
    filter: FilterName | None = None  # which labels count; null: all

    @model_validator(mode="before")
    @classmethod
    def _of_a_folder(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | WordSource) else {"set": value}

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> Any:
        given = {key: value for key, value in handler(self).items() if value is not None}
        return given["set"] if len(given) == 1 else given


def _mixed(sources: tuple[WordSource, ...]) -> tuple[WordSource, ...]:
    """All with a weight or none; not all of no weight, and no folder with two."""
    weights = {source.set: source.weight for source in sources if source.weight is not None}
    if not weights:
        return sources
    without = [source.set for source in sources if source.weight is None]
    if without:
        raise ValueError(
            f"gives {next(iter(weights))} a weight and {without[0]} none; give every set a weight, or none"
        )
    if not any(weights.values()):
        raise ValueError("gives every set a weight of 0, so that nothing is drawn; write one above 0")
    for place, source in enumerate(sources):
        for other in sources[:place]:
            if other.set == source.set:
                raise ValueError(
                    f"names {source.set} twice, with the weights {other.weight:g} and {source.weight:g}; "
                    "name it once, with one weight"
                )
    return sources


Sources = Annotated[tuple[WordSource, ...], Field(strict=False, min_length=1), AfterValidator(_mixed)]


def sources_of(folders: Iterable[WordSource | str | os.PathLike[str]]) -> list[WordSource]:
    """Folders and sources as sources; those of weight 0 are left out."""
    found = [
        folder if isinstance(folder, WordSource) else WordSource.model_validate(os.fspath(folder))
        for folder in folders
    ]
    return [source for source in found if source.weight != 0]


def shares(weights: Sequence[float], total: int) -> list[int]:
    """``total`` things shared out by weight: whole numbers, none further than 1 from its exact share.

    By the largest remainder (Hamilton's method); of equal remainders the first comes first.
    """
    parts = [Fraction(str(weight)) for weight in weights]
    exact = [total * part / sum(parts) for part in parts]
    found = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda place: found[place] - exact[place])
    for place in order[: total - sum(found)]:
        found[place] += 1
    return found


def too_small(sources: Sequence[WordSource], total: int) -> WordSource | None:
    """The first source whose weight is not one image of ``total``; None where all are, or have no weights."""
    weighted = [source for source in sources if source.weight]
    counts = shares([source.weight or 0.0 for source in weighted], total) if weighted else []
    return next((source for source, count in zip(weighted, counts, strict=True) if not count), None)
