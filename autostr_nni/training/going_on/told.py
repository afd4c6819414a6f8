"""What is said of weights to start from: a few lines for all layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from autostr_nni.system.errors import shown

SHOWN = 40  # characters that are listed
_LAYER = "layer "


class Share(NamedTuple):
    """How much of a part of a net comes from a saved one."""

    name: str
    taken: int  # of its layers of weights
    of: int
    why: str  # the others do not


def told(file: str, shares: Sequence[Share], one_of_several: bool = False) -> list[str]:
    """Lines that tell what is taken of ``file``, what in part, and what begins afresh and why.

    ``one_of_several``: of a layer's operations it is the one that the saved layer is.
    """
    whole = [share for share in shares if share.taken == share.of]
    part = [share for share in shares if 0 < share.taken < share.of]
    fresh = [share for share in shares if not share.taken]
    noun = "the operation of layers" if one_of_several else "layers"
    taken = [*_others(whole), *_layers(whole, noun)]
    lines = [f"weights of {file}: {', '.join(taken) or 'nothing whole'}"]
    for words, some in (("in part", part), ("begins afresh", fresh)):
        named = [f"{share.name} ({share.why})" for share in some if not share.name.startswith(_LAYER)]
        by_cause: dict[str, list[Share]] = {}
        for share in some:
            if share.name.startswith(_LAYER):
                by_cause.setdefault(share.why, []).append(share)
        for why, alike in by_cause.items():
            named += [f"{layers} ({why})" for layers in _layers(alike, "layers")]
        if named:
            lines.append(f"  {words}: {', '.join(named)}")
    return lines


def _others(shares: Iterable[Share]) -> list[str]:
    return [share.name for share in shares if not share.name.startswith(_LAYER)]


def _layers(shares: Iterable[Share], noun: str) -> list[str]:
    """All layers as one text, `layers 1 to 4, 6`; nothing for none."""
    numbers = [int(share.name.removeprefix(_LAYER)) for share in shares if share.name.startswith(_LAYER)]
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    if len(numbers) == 1:
        noun = noun.removesuffix("s")
    return [f"{noun} {', '.join(texts)}"] if numbers else []


def differing_characters(mine: str, theirs: str) -> str:
    """Which characters only one of two nets knows; "" where they know the same."""
    new = "".join(character for character in mine if character not in theirs)
    gone = "".join(character for character in theirs if character not in mine)
    parts = []
    if new:
        parts.append(f"{len(new)} characters that it does not know start afresh ({shown(new, SHOWN)})")
    if gone:
        parts.append(f"{len(gone)} of its characters are not in data.charset ({shown(gone, SHOWN)})")
    return "; ".join(parts)
