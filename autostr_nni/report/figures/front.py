"""The fronts of searches: the nets that were asked for, and the area below all that were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.figures.axes import accuracy_axis, large
from autostr_nni.report.figures.size import SIZES, scale_of
from autostr_nni.report.figures.style import INK, colour, marker, new_figure
from autostr_nni.report.nets import chosen_label
from autostr_nni.report.reading.history import DONE
from autostr_nni.strategies.front import pareto_front


def draw_front(
    searches: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    places: Sequence[int],
    front: Mapping[str, Any],
) -> Figure:
    """A step line per search over the cost of its nets; large marks are the nets that it hands over.

    Searches of the same name have the same look, and one line in the legend without a hypervolume.
    """
    figure = new_figure(3.5)
    axes = figure.add_subplot()
    cost, told = front["cost"], set()
    scale = scale_of(cost)
    for search, name, place in zip(searches, names, places, strict=True):
        nets = [net for net in search["nets"] if None not in (net.get(cost), net["accuracy"])]
        nets = [{**net, cost: net[cost] * scale} for net in nets if net["status"] == DONE]
        if not nets:
            continue
        label = name if name in told or names.count(name) > 1 else _with_volume(name, search, front)
        _search(axes, search, nets, cost, front["high"] * scale, place, None if name in told else label)
        told.add(name)
    axes.set_xlabel(SIZES[cost])
    axes.xaxis.set_major_formatter(FuncFormatter(large))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.1, y=0.14)
    axes.set_ylim(bottom=0)
    accuracy_axis(axes, f"validation {chosen_label(net for search in searches for net in search['nets'])}")
    figure.legend(loc="outside upper left", ncols=1)
    return figure


def _with_volume(name: str, search: Mapping[str, Any], front: Mapping[str, Any]) -> str:
    return f"{name}: hypervolume {front['hypervolume'][search['key']]:.3f}"


def _search(
    axes: Axes,
    search: Mapping[str, Any],
    nets: Sequence[Mapping[str, Any]],
    cost: str,
    high: float,
    place: int,
    label: str | None,
) -> None:
    """One search: all nets, the front over them up to the highest cost, and those handed over."""
    points = [(net[cost], net["accuracy"]) for net in nets]
    on_front = [points[index] for index in pareto_front(points)]
    xs, ys = [*(x for x, _ in on_front), high], [*(y for _, y in on_front), on_front[-1][1]]
    look: dict[str, Any] = {"color": colour(place)}
    axes.plot(xs, ys, drawstyle="steps-post", linewidth=1.4, zorder=2, **look)
    axes.fill_between(xs, ys, step="post", alpha=0.08, linewidth=0, zorder=1, **look)
    handed = [net for net in nets if net["trial"] in search["front"]]
    small: dict[str, Any] = {"markersize": 3.5, "alpha": 0.6, "zorder": 3}
    big: dict[str, Any] = {"markersize": 7.5, "markeredgecolor": "white", "zorder": 4}
    for shown, size in ((nets, small), (handed, big)):
        accuracies = [net["accuracy"] for net in shown]
        axes.plot([net[cost] for net in shown], accuracies, marker(place), **size, **look)
    if label is not None:
        axes.plot([], [], f"{marker(place)}-", label=label, **look)
    for net in handed:
        axes.annotate(
            f"{100 * net['accuracy']:.1f} %",
            (net[cost], net["accuracy"]),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
            zorder=5,
        )
