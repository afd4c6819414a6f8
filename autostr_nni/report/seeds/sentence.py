"""Who is ahead, or that it is open, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autostr_nni.report.seeds.paired import LEAST
from autostr_nni.report.seeds.reached import VALIDATION

COSTS = {"images": "at equal images", "seconds": "at equal seconds", "end": "each at its own end"}


def sentence(first: str, second: str, pair: Mapping[str, Any], words: str | None = None) -> str:
    """The verdict on two groups on the decisive set, called `words`, at equal images and seconds."""
    figures = {found["unit"]: found for found in pair["figures"] if found["set"] == pair["set"]}
    words = words or _named(pair)
    main = figures.get("images")
    if main is None:
        open_still = f"It is open whether {first} or {second} is ahead"
        if "end" not in figures:
            return f"{open_still}: neither has a trained net."
        said = f"{open_still} on {words}: {COSTS['images']} neither had a trained net yet."
        return f"{said} {COSTS['end'].capitalize()}: {told(first, second, figures['end'])}."
    said = f"{_verdict(first, second, main, words)} {COSTS['images']}: {told(first, second, main)}."
    other = figures.get("seconds")
    if other is not None:
        short = "open, " if leader(other) == 0 else ""
        said += f" {COSTS['seconds'].capitalize()}: {short}{told(first, second, other)}."
    if main["compared"] < main["n"] and "end" in figures:  # at unequal costs, which the table tells
        said += f" {COSTS['end'].capitalize()}: {told(first, second, figures['end'])}."
    if main["n"] < LEAST:
        said += f" Fewer than {LEAST} seeds tell nothing of chance; 5 are better."
    return said


def leader(found: Mapping[str, Any]) -> int:
    """1 where the first is ahead beyond chance, -1 where the second is, 0 where it is open.

    Open too where one of them has no net yet in some seeds: what is left would be a choice of seeds.
    """
    if found["low"] is None or found["compared"] < found["n"]:
        return 0
    return 1 if found["low"] > 0 else -1 if found["high"] < 0 else 0


def told(first: str, second: str, found: Mapping[str, Any]) -> str:
    """``halving +2.1 points over 5 seeds (95 %: +0.3 to +3.9), ahead in 5``, of who has more on average."""
    if found["mean"] is not None and found["mean"] < 0:
        return told(second, first, mirrored(found))
    seeds = "1 seed" if found["n"] == 1 else f"{found['n']} seeds"
    if found["mean"] is None:
        return f"in none of {seeds} had both a trained net by then"
    text = f"{first} {points(found['mean'])} points over {seeds}"
    if found["compared"] < found["n"]:
        one = found["n"] == found["wins"] + found["ties"] + found["losses"]  # each has a net of one at least
        rest = "one of the two had no trained net yet" if one else "not both had a trained net yet"
        text = f"{first} {points(found['mean'])} points over {found['compared']} of {seeds}, "
        text += f"in the others {rest}"
    if found["low"] is not None:
        text += f" (95 %: {points(found['low'])} to {points(found['high'])})"
    text += f", ahead in {found['wins']}"
    if found["ties"]:
        text += f", level in {found['ties']}"
    return text


def mirrored(found: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as the second sees them."""
    turned = {key: None if found[key] is None else -found[key] for key in ("mean", "low", "high")}
    turned["low"], turned["high"] = turned["high"], turned["low"]
    return {**found, **turned, "wins": found["losses"], "losses": found["wins"]}


def points(value: float) -> str:
    """A difference of accuracies in percentage points, with its sign."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _named(pair: Mapping[str, Any]) -> str:
    """The words of the decisive set; by name where it is one of several test sets."""
    if pair["set"] == VALIDATION:
        return "validation words (no test set is common to both)"
    tests = {found["set"] for found in pair["figures"]} - {VALIDATION}
    one = len(tests) > 1 and pair["set"] != "test all"
    return f"the words of {pair['set']}" if one else "test words"


def _verdict(first: str, second: str, found: Mapping[str, Any], words: str) -> str:
    ahead = leader(found)
    if ahead == 0:
        return f"It is open whether {first} or {second} is ahead on {words}"
    before, behind = (first, second) if ahead > 0 else (second, first)
    return f"{before} is ahead of {behind} on {words}"
