"""One look for all drawings: Agg, colours that colour-blind readers tell apart, widths that fit a phone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Okabe and Ito's palette; each search also has a marker of its own.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#AA4499"
ORANGE, SKY, INK, MUTED, FAINT = "#E69F00", "#56B4E9", "#1f2933", "#616e7c", "#d5dbe1"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH = 4.7  # inches: at 96 dots per inch no wider than a narrow page shows without shrinking much

_RC: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6eaee",
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "svg.fonttype": "path",  # looks alike on every machine
    "svg.hashsalt": "autostr",  # the same data give the same file
}


@contextmanager
def styled() -> Iterator[None]:
    """Within, figures are made and saved in the report's look."""
    with matplotlib.rc_context(_RC):
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches, that belongs to no window and no global state."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def rendered(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as SVG and as PNG, the same bytes for the same data; laid out once, drawn once for each."""
    png, svg = io.BytesIO(), io.BytesIO()
    figure.set_dpi(144)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(png, metadata={"Software": "autostr"}, pil_kwargs={"compress_level": 4})
    figure.set_layout_engine("none")
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(svg, metadata={"Date": None, "Creator": "autostr"})
    return svg.getvalue(), png.getvalue()


def colour(place: int) -> str:
    """The colour of the search at a place."""
    return SERIES[place % len(SERIES)]


def marker(place: int) -> str:
    """The marker of the search at a place: with its colour no two of 49 look alike."""
    return MARKERS[(place + place // len(SERIES)) % len(MARKERS)]


def count(number: float | None) -> str:
    """``98 984``, with narrow spaces that do not break."""
    return "–" if number is None else f"{number:,.0f}".replace(",", "\u202f")
