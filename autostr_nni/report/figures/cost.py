"""Accuracy against what a search has spent so far (paper's Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.figures.axes import accuracy_axis, large
from autostr_nni.report.figures.style import FAINT, MUTED, colour, new_figure
from autostr_nni.report.nets import chosen_label
from autostr_nni.strategies.steps import step_words

UNITS = {"images": "training images so far", "seconds": "seconds of training so far"}


def draw_cost(
    searches: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    places: Sequence[int],
    cost: Mapping[str, Any],
    unit: str,
) -> Figure:
    """Best accuracy so far against what was spent, with the band of random search (paper's Figure 7).

    Searches of the same name are one strategy over seeds: thin lines, and their mean.
    """
    figure = new_figure(3.7)
    axes = figure.add_subplot()
    steps: Sequence[Mapping[str, Any]] = ()
    for name, place in dict(zip(names, places, strict=True)).items():
        keys = [search["key"] for search, other in zip(searches, names, strict=True) if other == name]
        if len(keys) > 1:
            _of_seeds(axes, [cost["observed"][key] for key in keys], colour(place), name)
        elif keys[0] in cost["bands"]:
            _band(axes, cost["bands"][keys[0]], cost["observed"][keys[0]], colour(place), name)
        else:
            seen = cost["observed"][keys[0]]
            axes.step(seen["cost"], seen["accuracy"], where="post", color=colour(place), label=name)
    for search in searches:
        told = cost["observed"][search["key"]]["steps"]
        if not steps and 1 < len(told) == len({step["step"] for step in told}):  # one after the other
            steps = told
    _steps(axes, steps)
    axes.set_xlabel(UNITS[unit])
    axes.xaxis.set_major_formatter(FuncFormatter(large))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlim(left=0)
    axes.set_ylim(0, max(0.02, axes.get_ylim()[1]) * 1.07)  # room for the names of the steps
    label = chosen_label(net for search in searches for net in search["nets"])
    accuracy_axis(axes, f"best validation {label}")
    figure.legend(loc="outside upper left", ncols=1)
    return figure


def _band(axes: Axes, band: Mapping[str, Any], seen: Mapping[str, Any], tone: str, name: str) -> None:
    """Random search of one seed: the band of its orders, and the order that happened."""
    low, median, high = (np.array(band[key], dtype=float) for key in ("low", "median", "high"))
    shade: dict[str, Any] = {"color": tone, "alpha": 0.18, "linewidth": 0, "step": "post"}
    axes.fill_between(band["cost"], np.nan_to_num(low), high, where=~np.isnan(high), **shade)
    axes.step(band["cost"], median, where="post", color=tone, label=f"{name}: median, 95 %")
    dotted: dict[str, Any] = {"linewidth": 1.0, "linestyle": ":", "label": f"{name}: as it happened"}
    axes.step(seen["cost"], seen["accuracy"], where="post", color=tone, **dotted)


def _of_seeds(axes: Axes, curves: Sequence[Mapping[str, Any]], tone: str, name: str) -> None:
    """A thin line for each seed, and their mean where all have a net and none has ended."""
    known = [curve for curve in curves if curve["cost"]]
    for curve in known:
        axes.step(curve["cost"], curve["accuracy"], where="post", color=tone, linewidth=0.8, alpha=0.55)
    label = f"{name}: {len(curves)} seeds, mean"
    start = max((curve["cost"][0] for curve in known), default=0.0)
    end = min((curve["cost"][-1] for curve in known), default=0.0)
    if len(known) < len(curves) or start > end:
        axes.plot([], [], color=tone, label=f"{name}: {len(curves)} seeds")
        return
    grid = sorted({start, end, *(c for curve in known for c in curve["cost"] if start <= c <= end)})
    reached = [
        np.array(curve["accuracy"])[np.searchsorted(curve["cost"], grid, side="right") - 1] for curve in known
    ]
    axes.step(grid, np.mean(reached, axis=0), where="post", color=tone, linewidth=2.4, label=label)


def _steps(axes: Axes, steps: Sequence[Mapping[str, Any]]) -> None:
    """A search's steps: where each of them ends, and the names for which there is room."""
    start, right = 0.0, axes.get_xlim()[1]
    for step in steps:
        axes.axvline(step["end"], color=FAINT, linewidth=1.0, zorder=1)
        if step["end"] - start > 0.16 * right:
            axes.annotate(
                step_words(step["step"]),
                ((start + step["end"]) / 2, 0.985),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top",
                fontsize=7.5,
                color=MUTED,
            )
        start = step["end"]
