"""`training.augment`: what is done to training images, how often, and by how much. Light: no torch.

Sizes are those that recognizers of scene text are usually trained with: docTR's chances and distortions
(perspective 0.2, blur of sigma 0.5 to 1.5, noise of 0.1, inversion of one in ten), ABINet's and OpenOCR's
15 degrees and half of brightness, contrast and saturation.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator


class Amount(NamedTuple):
    """One kind of change: how many of the images get it, and the largest size of it."""

    chance: float
    size: float


class Kind(NamedTuple):
    """The amounts of the two presets, and the bounds of a size that a recipe may ask for."""

    light: Amount
    strong: Amount
    least: float
    most: float


#: Every kind, in the order in which they are done to an image, and what its size is.
KINDS: dict[str, Kind] = {
    "rotation": Kind(Amount(0.25, 5.0), Amount(0.4, 15.0), 0.1, 180.0),  # degrees to either side
    "perspective": Kind(Amount(0.25, 0.1), Amount(0.4, 0.25), 0.01, 1.0),  # corners, by this of half a side
    "scale": Kind(Amount(0.25, 0.05), Amount(0.4, 0.15), 0.01, 0.9),  # larger or smaller, by this of a side
    "colour": Kind(Amount(0.25, 0.2), Amount(0.4, 0.5), 0.01, 1.0),  # brightness, contrast, saturation: 1 ±
    "inversion": Kind(Amount(0.1, 0.0), Amount(0.1, 0.0), 0.0, 0.0),
    "blur": Kind(Amount(0.15, 1.0), Amount(0.3, 1.5), 0.1, 10.0),  # sigma in pixels of an image 32 high
    "noise": Kind(Amount(0.15, 0.04), Amount(0.3, 0.1), 0.001, 1.0),  # deviation, by this of full white
    "jpeg": Kind(Amount(0.15, 50.0), Amount(0.3, 20.0), 1.0, 95.0),  # the lowest quality
}
NONE, LIGHT, STRONG = PRESETS = ("none", "light", "strong")


def amounts(wanted: str | tuple[str | dict[str, float], ...]) -> dict[str, Amount]:
    """What a checked value of ``augment`` asks for, by kind, in the order in which it is done."""
    if isinstance(wanted, str):
        return {} if wanted == NONE else {name: getattr(kind, wanted) for name, kind in KINDS.items()}
    sizes: dict[str, float | None] = {}
    for item in wanted:
        sizes |= {item: None} if isinstance(item, str) else item
    found = {}
    for name, kind in KINDS.items():
        if name in sizes:
            size = sizes[name]
            found[name] = kind.light if size is None else Amount(kind.light.chance, size)
    return found


def _augment(value: Any) -> Any:
    """none, light, strong, or a list of kinds, each a name or {name: its largest size}."""
    if isinstance(value, str):
        if value in KINDS:
            raise ValueError(f"must be {', '.join(PRESETS)} or a list; one kind alone is written [{value}]")
        if value not in PRESETS:
            raise ValueError(f"has no {_unknown(value, (*PRESETS, *KINDS))}")
        return value
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be {', '.join(PRESETS)} or a list of {', '.join(KINDS)}, not {value!r}")
    if not value:
        raise ValueError(f"is an empty list; write {NONE}, or some of {', '.join(KINDS)}")
    checked = [_item(item) for item in value]
    names = [item if isinstance(item, str) else next(iter(item)) for item in checked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} more than once")
    return tuple(checked)


def _item(item: Any) -> str | dict[str, float]:
    sized = isinstance(item, dict) and len(item) == 1
    name, size = next(iter(item.items())) if sized else (item, None)
    if not isinstance(name, str):
        raise ValueError(f"holds {item!r}; write the name of an augmentation, or name: size")
    if name in PRESETS:
        raise ValueError(f"has {name} in a list; write {name} alone, or the kinds that you want")
    if name not in KINDS:
        raise ValueError(f"has no {_unknown(name, tuple(KINDS))}")
    if not sized:
        return name
    least, most = KINDS[name].least, KINDS[name].most
    if not most:
        raise ValueError(f"{name} has no size: write the name alone")
    if isinstance(size, bool) or not isinstance(size, int | float) or not least <= size <= most:
        raise ValueError(f"{name} must have a size of {least:g} to {most:g}, not {size!r}")
    return {name: float(size)}


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"nearest is {near[0]!r}, " if near else ""
    return f"augmentation {name!r}; {hint}known are {', '.join(known)}"


Augment = Annotated[str | tuple[str | dict[str, float], ...], BeforeValidator(_augment)]
