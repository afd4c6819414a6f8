"""Axes that several drawings have: accuracies in per cent, counts in thousands and millions."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator


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
