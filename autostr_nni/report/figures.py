"""Drawings that compare searches: accuracy against size, and against cost so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.history import DONE
from autostr_nni.report.style import FAINT, INK, MUTED, colour, marker, new_figure

SIZES = {"macs_m": "MACs of the backbone's convolutions (million)", "params_m": "parameters of the backbone"}
UNITS = {"images": "training images so far", "seconds": "seconds of training so far"}
_STEPS = {"path": "paths", "operators": "operators", "train": "training"}


def percent(value: float, _: Any = None) -> str:
    """A tick of an accuracy axis."""
    return f"{100 * value:g} %"


def large(value: float, _: Any = None) -> str:
    """A tick of a count: ``40k``, ``1.5M``."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def accuracy_axis(axes: Axes, name: str = "validation word accuracy") -> None:
    """Accuracy upwards, in per cent."""
    axes.set_ylabel(name)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(round(value, 4))))
    axes.yaxis.set_major_locator(MaxNLocator(6))


def draw_size(
    searches: Sequence[Mapping[str, Any]], places: Sequence[int], front: Sequence[str], cost: str
) -> Figure:
    """Accuracy of every trained net against MACs or parameters, with the Pareto front (paper's Figure 4)."""
    figure = new_figure(3.5)
    axes = figure.add_subplot()
    scale = 1e6 if cost == "params_m" else 1.0
    on_front = []
    for search, place in zip(searches, places, strict=True):
        nets = [net for net in search["nets"] if net["accuracy"] is not None and net[cost] is not None]
        if not nets:
            continue
        begun = [net for net in nets if net["status"] != DONE]
        nets = [net for net in nets if net["status"] == DONE]
        axes.plot(
            [net[cost] * scale for net in begun],
            [net["accuracy"] for net in begun],
            marker(place),
            color=colour(place),
            markersize=6.5,
            markerfacecolor="white",
            label=None if nets else search["label"],
        )
        if not nets:
            continue
        xs, ys = [net[cost] * scale for net in nets], [net["accuracy"] for net in nets]
        errors = [
            [
                max(0.0, y - (net["low"] if net["low"] is not None else y))
                for net, y in zip(nets, ys, strict=True)
            ],
            [
                max(0.0, (net["high"] if net["high"] is not None else y) - y)
                for net, y in zip(nets, ys, strict=True)
            ],
        ]
        axes.errorbar(
            xs,
            ys,
            yerr=errors,
            fmt=marker(place),
            color=colour(place),
            markersize=6.5,
            markeredgecolor="white",
            elinewidth=1.0,
            label=search["label"],
            zorder=3,
        )
        on_front += [(x, y, net) for x, y, net in zip(xs, ys, nets, strict=True) if net["trial"] in front]
    on_front.sort(key=lambda point: point[0])
    axes.plot(
        [point[0] for point in on_front],
        [point[1] for point in on_front],
        drawstyle="steps-post",
        color=INK,
        linewidth=1.2,
        linestyle=(0, (4, 2)),
        label="Pareto front",
        zorder=2,
    )
    after = [x for x, _, _ in on_front[1:]] + [float("inf")]
    left, right = axes.get_xlim()
    for (x, y, net), next_x in zip(on_front, after, strict=True):
        width = 0.2 * (right - left)  # of a name
        crowded = next_x - x < width  # the next net's name would lie upon this one's
        below = crowded and x - left < width  # and to the left it would lie upon the axis
        to_left = crowded and not below
        behind = {"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
        axes.annotate(
            net["label"],
            (x, y),
            xytext=(-6 if to_left else 6, -5 if below else 5),
            textcoords="offset points",
            ha="right" if to_left else "left",
            va="top" if below else "baseline",
            fontsize=8,
            color=INK,
            bbox=behind,
            zorder=4,
        )
    axes.set_xlabel(SIZES[cost])
    axes.xaxis.set_major_formatter(FuncFormatter(large))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.14, y=0.12)
    accuracy_axis(axes)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] == "Pareto front")
    legend = [handles[i] for i in order], [labels[i] for i in order]
    figure.legend(*legend, loc="outside upper left", ncols=1)
    return figure


def _reach(net: Mapping[str, Any], end: str) -> float:
    """Length of the error bar towards an end of the 95 % interval; 0 where it is not known."""
    return 0.0 if net[end] is None else abs(float(net[end]) - float(net["accuracy"]))


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
