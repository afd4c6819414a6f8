"""Accuracy against the size of the nets (paper's Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.figures.axes import accuracy_axis, large
from autostr_nni.report.figures.style import INK, colour, marker, new_figure
from autostr_nni.report.reading.history import DONE

SIZES = {"macs_m": "MACs of the backbone's convolutions (million)", "params_m": "parameters of the backbone"}


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
