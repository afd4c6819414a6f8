"""Strategies over seeds: what each search reached, and the paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.figures.axes import accuracy_axis
from autostr_nni.report.figures.style import FAINT, INK, MUTED, colour, marker, new_figure
from autostr_nni.report.seeds.reached import VALIDATION
from autostr_nni.report.seeds.sentence import leader, points

_WIDE = 26  # letters of a label in a line


def places_of(report: Mapping[str, Any]) -> dict[str, int]:
    """The place in the palette of every search and of every group, ``g1`` of the space 1 as ``1 g1``.

    Searches of one strategy and other seeds look alike.
    """
    found: dict[str, int] = {}
    number = 0
    for space, part in enumerate(report["spaces"], 1):
        for group in part["comparison"]["groups"]:
            found[f"{space} {group['key']}"] = number
            for key in group["searches"]:
                found.setdefault(key, number)
            number += 1
    return found


def names_of(comparison: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> list[str]:
    """What legends call each search: by its strategy, where that has several seeds."""
    found: dict[str, str] = {}
    for group in comparison["groups"]:
        for key in group["searches"]:
            if len(group["seeds"]) > 1:
                found.setdefault(key, group["label"])
    return [found.get(search["key"], search["label"]) for search in members]


def draw_seeds(comparison: Mapping[str, Any], places: Mapping[str, int], unit: str, space: int = 1) -> Figure:
    """Paired dots per strategy and seed above, the differences with their intervals below."""
    pairs = [(pair, _figure(pair, unit)) for pair in comparison["pairs"]]
    known = [(pair, found) for pair, found in pairs if found is not None]
    groups = {group["key"]: group for group in comparison["groups"]}
    figure = new_figure(2.3 + 0.8 + 1.35 * len(pairs))
    heights = [1.6 for _ in known] + [0.35 + 0.45 * len(known)]
    axes = figure.subplots(len(known) + 1, 1, height_ratios=heights, squeeze=False)[:, 0]
    for place, (pair, found) in enumerate(known):
        looks = [places[f"{space} {pair[side]}"] for side in ("first", "second")]
        _dots(axes[place], found, looks, [groups[pair[side]]["label"] for side in ("first", "second")])
    _differences(axes[-1], known, groups)
    return figure


def _figure(pair: Mapping[str, Any], unit: str) -> Mapping[str, Any] | None:
    """The figures on the decisive set."""
    return next((f for f in pair["figures"] if (f["unit"], f["set"]) == (unit, pair["set"])), None)


def _dots(axes: Axes, found: Mapping[str, Any], looks: Sequence[int], labels: Sequence[str]) -> None:
    """Two strategies side by side, a line for each seed."""
    for row in found["rows"]:
        scores = [row["first"], row["second"]]
        if None not in scores:
            axes.plot([0, 1], scores, color=FAINT, linewidth=1.2, zorder=1)
        for x, score in enumerate(scores):
            if score is not None:
                look: dict[str, Any] = {"color": colour(looks[x]), "markeredgecolor": "white", "zorder": 3}
                axes.plot(x, score, marker(looks[x]), markersize=6.5, **look)
        if row["second"] is not None:
            where: dict[str, Any] = {"xytext": (9, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(f"{row['seed']}", (1, row["second"]), fontsize=7.5, color=MUTED, **where)
    for x, side in enumerate(("first", "second")):
        scores = [row[side] for row in found["rows"] if row[side] is not None]
        if scores:
            mean = sum(scores) / len(scores)
            axes.plot([x - 0.16, x + 0.16], [mean, mean], color=colour(looks[x]), linewidth=2.6, zorder=2)
    axes.set_xticks([0, 1], [_broken(label) for label in labels])
    axes.set_xlim(-0.45, 1.45)
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.15)
    accuracy_axis(axes, _set_name(found["set"]))


def _set_name(name: str) -> str:
    if name == VALIDATION:
        return "validation words"
    return "all test words" if name == "test all" else f"test: {name.removeprefix('test ')}"


def _differences(
    axes: Axes, pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], groups: Mapping[str, Any]
) -> None:
    """The mean differences with their intervals, and the difference of each seed."""
    names = []
    for place, (pair, found) in enumerate(pairs):
        names.append(f"{groups[pair['first']]['label']}\n− {groups[pair['second']]['label']}")
        each = [row["difference"] for row in found["rows"] if row["difference"] is not None]
        axes.plot(each, [place + 0.2] * len(each), "o", color=MUTED, markersize=3.5, alpha=0.7, zorder=2)
        if found["mean"] is None:
            continue
        tone = INK if leader(found) else MUTED
        reach = None if found["low"] is None else found["high"] - found["mean"]
        axes.errorbar(
            found["mean"],
            place - 0.08,
            xerr=reach,
            fmt="D",
            color=tone,
            markersize=6,
            elinewidth=1.6,
            capsize=3,
        )
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.45, -0.55)
    left, right = axes.get_xlim()
    reach = max(abs(left), abs(right), 0.005)
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: points(value)))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("difference in percentage points")


def _broken(label: str) -> str:
    """A long label in lines of a few words."""
    lines = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + len(word) >= _WIDE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
