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

UNITS = {"images": "training images so far", "seconds": "seconds of training so far"}
_STEPS = {"path": "paths", "operators": "operators", "train": "training"}


def draw_cost(
    searches: Sequence[Mapping[str, Any]], places: Sequence[int], cost: Mapping[str, Any], unit: str
) -> Figure:
    """Best accuracy so far against what was spent, with the band of random search (paper's Figure 7)."""
    figure = new_figure(3.7)
    axes = figure.add_subplot()
    steps: Sequence[Mapping[str, Any]] = ()
    for search, place in zip(searches, places, strict=True):
        key = search["key"]
        seen, band = cost["observed"][key], cost["bands"].get(key)
        if band:
            tone: dict[str, Any] = {"color": colour(place), "alpha": 0.18, "linewidth": 0, "step": "post"}
            low, median, high = (np.array(band[key], dtype=float) for key in ("low", "median", "high"))
            axes.fill_between(band["cost"], np.nan_to_num(low), high, where=~np.isnan(high), **tone)
            axes.step(
                band["cost"],
                median,
                where="post",
                color=colour(place),
                label=f"{search['label']}: median, 95 %",
            )
            axes.step(
                seen["cost"],
                seen["accuracy"],
                where="post",
                color=colour(place),
                linewidth=1.0,
                linestyle=":",
                label=f"{search['label']}: as it happened",
            )
            continue
        axes.step(seen["cost"], seen["accuracy"], where="post", color=colour(place), label=search["label"])
        if search["strategy"] == "two-step" and not steps:
            steps = seen["steps"]
    _steps(axes, steps)
    axes.set_xlabel(UNITS[unit])
    axes.xaxis.set_major_formatter(FuncFormatter(large))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlim(left=0)
    axes.set_ylim(0, max(0.02, axes.get_ylim()[1]) * 1.07)  # room for the names of the steps
    accuracy_axis(axes, "best validation word accuracy")
    figure.legend(loc="outside upper left", ncols=1)
    return figure


def _steps(axes: Axes, steps: Sequence[Mapping[str, Any]]) -> None:
    """AutoSTR's steps: where each of them ends, and the names for which there is room."""
    start, right = 0.0, axes.get_xlim()[1]
    for step in steps:
        axes.axvline(step["end"], color=FAINT, linewidth=1.0, zorder=1)
        if step["end"] - start > 0.16 * right:
            axes.annotate(
                _STEPS.get(step["step"], step["step"]),
                ((start + step["end"]) / 2, 0.985),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top",
                fontsize=7.5,
                color=MUTED,
            )
        start = step["end"]
