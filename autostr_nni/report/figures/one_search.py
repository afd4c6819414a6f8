"""Drawings of one search: its paths, and the probabilities of its operations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from autostr_nni.report.figures.axes import accuracy_axis, large, percent
from autostr_nni.report.figures.style import BLUE, FAINT, GREEN, INK, MUTED, VERMILION, new_figure
from autostr_nni.report.nets import chosen_label
from autostr_nni.report.statistics import Z95
from autostr_nni.runs.figures import counted
from autostr_nni.search_spaces.counting import UNITS

_BEST = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"))
_MAP = "YlGnBu"


def draw_path_ranks(paths: Sequence[Mapping[str, Any]]) -> Figure:
    """Stride paths by validation loss, the chosen one marked."""
    ranked = [path for path in paths if path["loss"] is not None]
    figure = new_figure(0.95 + 0.24 * len(ranked))
    axes = figure.add_subplot()
    for place, path in enumerate(ranked):
        tone = BLUE if path["chosen"] else MUTED
        axes.plot([0, path["loss"]], [place, place], color=FAINT, linewidth=1.2, zorder=1)
        if path["loss_error"] is not None:
            reach = Z95 * path["loss_error"]
            axes.errorbar(path["loss"], place, xerr=reach, color=tone, elinewidth=1.2, zorder=2)
        hollow: dict[str, Any] = {"markerfacecolor": "white"} if path["tied"] and not path["chosen"] else {}
        size = 7.5 if path["chosen"] else 6
        axes.plot(path["loss"], place, "o", color=tone, markersize=size, zorder=3, **hollow)
        accuracy = "" if path["accuracy"] is None else f"  {100 * path['accuracy']:.1f} %"
        after = path.get("compared_after")
        alike = after == ranked[0].get("compared_after")
        text = f"{path['loss']:.3f}{accuracy}" + ("" if alike else f"  (after {after} of the epochs)")
        axes.annotate(
            text,
            (path["loss"] + Z95 * (path["loss_error"] or 0.0), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=tone,
            weight="bold" if path["chosen"] else None,
        )
    axes.set_yticks(range(len(ranked)), [_short(path["path"]) for path in ranked])
    axes.tick_params(axis="y", length=0)
    for tick, path in zip(axes.get_yticklabels(), ranked, strict=True):
        tick.set_fontfamily("DejaVu Sans Mono")
        tick.set_fontweight("bold" if path["chosen"] else "normal")
    axes.set_ylim(len(ranked) - 0.4, -0.6)
    axes.set_xlim(0, max(path["loss"] + Z95 * (path["loss_error"] or 0.0) for path in ranked) * 1.42)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("validation loss (word accuracy beside it)")
    return figure


def draw_path_curves(paths: Sequence[Mapping[str, Any]]) -> Figure:
    """Validation loss of every path over its training, the best three in colour."""
    figure = new_figure(3.5)
    axes = figure.add_subplot()
    for place, path in reversed(list(enumerate(paths))):
        known = [e for e in path["epochs"] if e["images"] is not None and e["loss"] is not None]
        tone, mark = _BEST[place] if place < len(_BEST) else ("#9aa5b1", ".")
        axes.plot(
            [e["images"] for e in known],
            [e["loss"] for e in known],
            color=tone,
            marker=mark,
            markersize=5,
            linewidth=1.8 if place < len(_BEST) else 1.0,
            label=_short(path["path"]) if place < len(_BEST) else "others" if place == len(_BEST) else None,
            zorder=3 if place < len(_BEST) else 2,
        )
    axes.set_xlabel("training images")
    axes.set_ylabel("validation loss")
    axes.xaxis.set_major_formatter(FuncFormatter(large))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=4, handlelength=1.5)
    return figure


def draw_net_curves(nets: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss on validation and training words, and accuracy, of nets over their training, best net first."""
    figure = new_figure(4.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for place, net in reversed(list(enumerate(nets))):
        tone, mark = _BEST[place] if place < len(_BEST) else ("#9aa5b1", ".")
        name = net["label"] if place < len(_BEST) else "others" if place == len(_BEST) else None
        look: dict[str, Any] = {"color": tone, "zorder": 3 if place < len(_BEST) else 2}
        for axes, key, dashes, label in (
            (upper, "loss", "-", name),
            (upper, "training_loss", "--", None),
            (lower, "accuracy", "-", None),
        ):
            points = [e for e in net["epochs"] if e["images"] is not None and e[key] is not None]
            marks = {} if dashes == "--" else {"marker": mark, "markersize": 4}
            width = 1.0 if place >= len(_BEST) or dashes == "--" else 1.6
            axes.plot(
                [e["images"] for e in points],
                [e[key] for e in points],
                linestyle=dashes,
                linewidth=width,
                label=label,
                **marks,
                **look,
            )
    upper.plot([], [], color=MUTED, linestyle="--", linewidth=1.0, label="training loss")
    upper.set_ylabel("loss per word")
    upper.set_ylim(bottom=0)
    accuracy_axis(lower, f"validation\n{chosen_label(nets)}")
    lower.set_xlabel("training images")
    lower.xaxis.set_major_formatter(FuncFormatter(large))
    lower.xaxis.set_major_locator(MaxNLocator(6))
    figure.legend(loc="outside upper left", ncols=3, handlelength=1.7)
    return figure


def draw_probabilities(
    layers: Sequence[Mapping[str, float]], found: Sequence[str], stage_layers: Sequence[int]
) -> Figure:
    """The last probabilities: a row per layer, a column per operation, what was found framed."""
    names = operation_names(layers)
    table = grid_of(layers, names)
    figure = new_figure(0.9 + 0.25 * len(layers))
    axes = figure.add_subplot()
    top = float(np.nanmax(table))
    axes.imshow(table, cmap=_MAP, vmin=0, vmax=top, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        if math.isnan(value):
            axes.text(column, row, "–", ha="center", va="center", fontsize=8, color=MUTED)
            continue
        tone = "white" if value > 0.6 * top else INK
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color=tone)
    for row, name in enumerate(found):
        if name in names:
            place = (names.index(name) - 0.46, row - 0.44)
            axes.add_patch(Rectangle(place, 0.92, 0.88, fill=False, edgecolor=VERMILION, linewidth=1.8))
    for edge in np.cumsum(stage_layers)[:-1]:
        axes.axhline(edge - 0.5, color="white", linewidth=3)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(layers)), [str(layer) for layer in range(1, len(layers) + 1)])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("layer")
    return figure


def draw_probabilities_over_time(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Probabilities of every layer's operations (rows) after every epoch (columns)."""
    count = len(history[-1]["layers"])
    names = operation_names(history[-1]["layers"])
    maps = [grid_of([epoch["layers"][layer] for epoch in history], names).T for layer in range(count)]
    top = max(float(np.nanmax(values)) for values in maps)
    columns = 3
    rows = math.ceil(count / columns)
    figure = new_figure(0.75 + rows * (0.42 + 0.105 * len(names)))
    all_axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    image = None
    for place, axes in enumerate(all_axes.flat):
        axes.grid(visible=False)
        axes.tick_params(length=0, labelsize=7)
        if place >= count:
            axes.set_axis_off()
            continue
        axes.set_facecolor("#eceff2")
        image = axes.imshow(maps[place], cmap=_MAP, vmin=0, vmax=top, aspect="auto", interpolation="nearest")
        axes.set_title(f"layer {place + 1}", fontsize=8, pad=2)
        axes.set_yticks(range(len(names)), names)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: str(round(value) + 1)))
        axes.spines[:].set_visible(False)
    figure.supxlabel("epoch of the operator search", fontsize=9)
    if image is not None:
        bar = figure.colorbar(image, ax=all_axes, location="top", shrink=0.7, aspect=35, pad=0.015)
        bar.ax.tick_params(labelsize=7.5, length=2)
        bar.ax.xaxis.set_major_formatter(FuncFormatter(percent))
        bar.outline.set_visible(False)
    return figure


def draw_entropy(search: Mapping[str, Any]) -> Figure:
    """Mean entropy of a layer's probabilities, and the expected cost, after every epoch."""
    epochs = [e for e in search["epochs"] if e["entropy"] is not None]
    figure = new_figure(3.3)
    upper, lower = figure.subplots(2, 1, sharex=True)
    numbers = range(1, len(epochs) + 1)
    upper.plot(numbers, [e["entropy"] for e in epochs], color=BLUE, marker="o", markersize=5)
    upper.set_ylabel("entropy (nats)")
    layers = search["probabilities"][-1]["layers"] if search["probabilities"] else []
    most = float(np.mean([math.log(len(layer)) for layer in layers])) if layers else 0.0
    if most > 0:  # some layer had a choice
        upper.axhline(most, color=MUTED, linewidth=1.0, linestyle="--")
        upper.annotate(
            "undecided",
            (1, most),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
            color=MUTED,
        )
        upper.set_ylim(0, most * 1.25)
    cost = counted(epochs[0])
    expected = [e[f"expected_{cost}"] for e in epochs]
    lower.plot(numbers, expected, color=VERMILION, marker="s", markersize=5)
    lower.set_ylabel(f"expected\n{UNITS[cost]}")
    lower.set_xlabel("epoch of the operator search")
    lower.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    lower.yaxis.set_major_locator(MaxNLocator(4))
    lower.ticklabel_format(axis="y", useOffset=False)
    return figure


def operation_names(layers: Sequence[Mapping[str, float]]) -> list[str]:
    """All operations, in the space's order, which the layer with most candidates tells."""
    names = max((list(layer) for layer in layers), key=len)
    names += [name for layer in layers for name in layer if name not in names]
    return list(dict.fromkeys(names))


def grid_of(layers: Sequence[Mapping[str, float]], names: Sequence[str]) -> Any:
    """Probabilities ``[layers, operations]``; NaN for what is no candidate."""
    return np.array([[layer.get(name, math.nan) for name in names] for layer in layers], dtype=float)


def _short(path: str | None) -> str:
    """A path's text; one over all layers is long."""
    return str(path) if path is None or len(path) <= 15 else f"{path[:14]}…"
