"""Accuracy against the size of the nets (paper's Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.figures.axes import accuracy_axis, large
from autostr_nni.report.figures.style import INK, colour, marker, new_figure
from autostr_nni.report.nets import chosen_label
from autostr_nni.report.reading.history import DONE

SIZES = {
    "macs_m": "MACs of the backbone's convolutions (million)",
    "params_m": "parameters of the backbone",
    "latency_ms": "latency of the backbone by the search's table (ms)",
}


def scale_of(cost: str) -> float:
    """What a net's figure is multiplied by, to be what the axis says."""
    return 1e6 if cost == "params_m" else 1.0


def draw_size(
    searches: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    places: Sequence[int],
    front: Sequence[Mapping[str, str]],
    cost: str,
) -> Figure:
    """Accuracy of every trained net against a cost, with the Pareto front (paper's Figure 4).

    Searches of the same name have the same look, and one line in the legend.
    """
    figure = new_figure(3.5)
    axes = figure.add_subplot()
    scale = scale_of(cost)
    on_front, told = [], set()
    for search, name, place in zip(searches, names, places, strict=True):
        nets = [net for net in search["nets"] if net["accuracy"] is not None and net.get(cost) is not None]
        for done in (True, False):
            shown = [net for net in nets if (net["status"] == DONE) is done]
            if shown:
                _points(axes, shown, cost, scale, place, done, None if name in told else name)
                told.add(name)
        on_front += [
            (net[cost] * scale, net["accuracy"], net)
            for net in nets
            if {"search": search["key"], "trial": net["trial"]} in front
        ]
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
    _name_front(axes, on_front)
    axes.set_xlabel(SIZES[cost])
    axes.xaxis.set_major_formatter(FuncFormatter(large))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.14, y=0.12)
    accuracy_axis(axes, f"validation {chosen_label(net for search in searches for net in search['nets'])}")
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] == "Pareto front")
    legend = [handles[i] for i in order], [labels[i] for i in order]
    figure.legend(*legend, loc="outside upper left", ncols=1)
    return figure


def _points(
    axes: Axes,
    nets: Sequence[Mapping[str, Any]],
    cost: str,
    scale: float,
    place: int,
    done: bool,
    name: str | None,
) -> None:
    """Nets of a search with their 95 % intervals; hollow, and without, where not trained to the end."""
    ys = [net["accuracy"] for net in nets]
    errors = [[_reach(net, "low") for net in nets], [_reach(net, "high") for net in nets]]
    axes.errorbar(
        [net[cost] * scale for net in nets],
        ys,
        yerr=errors if done else None,
        fmt=marker(place),
        color=colour(place),
        markersize=6.5,
        markerfacecolor=colour(place) if done else "white",
        markeredgecolor="white" if done else colour(place),
        elinewidth=1.0,
        label=name,
        zorder=3,
    )


def _reach(net: Mapping[str, Any], end: str) -> float:
    """Length of the error bar towards an end of the interval; 0 where it is not known."""
    return 0.0 if net[end] is None else abs(float(net[end]) - float(net["accuracy"]))


def _name_front(axes: Axes, front: Sequence[tuple[float, float, Mapping[str, Any]]]) -> None:
    """The names of the nets on the front, each where there is most room."""
    after = [x for x, _, _ in front[1:]] + [float("inf")]
    left, right = axes.get_xlim()
    for (x, y, net), next_x in zip(front, after, strict=True):
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
