"""A backbone as the paper's Figure 5 draws it: stages, strides, operations with feature sizes, skips."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from autostr_nni.report.figures.style import INK, MUTED, VERMILION, new_figure
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import BlockCost, backbone_costs, total
from autostr_nni.search_spaces.operation import Operation
from autostr_nni.search_spaces.operations import parse
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.search_spaces.stride_path import KEEP, LETTER_OF, Stride

ROW = 0.275  # inches
_BLOCK = (1.6, 4.95)  # left and right side of a block; the figure is 10 wide
_SIZE, _MACS = 8.2, 9.95


class _Stem(Operation):
    """The convolution that precedes the layers, to be drawn as they are."""

    name, label = "conv3x3", "conv 3×3"


_STEM = _Stem()


def draw_architecture(architecture: Architecture, space: SearchSpace, title: str | None = None) -> Figure:
    """Draw the backbone from image to sequence, a block a row. Raises InputError if not of the space."""
    costs = backbone_costs(architecture, space)
    cost = total(costs)
    rows = len(costs) + 2
    height = ROW * (rows + 0.75) + 0.65
    figure = new_figure(height)
    figure.set_layout_engine("none")  # every place is known
    axes = figure.add_axes((0.015, 0.01, 0.97, 1 - 0.65 / height))
    axes.set_xlim(0, 10)
    axes.set_ylim(rows - 0.45, -1.2)
    axes.set_axis_off()
    path = architecture.path.text(space.stage_layers)
    parameters = f"{cost.params:,}".replace(",", " ")
    heading = title or f"path {path}"
    axes.set_title(
        f"{heading}\n{cost.macs / 1e6:.3f} M MACs · {parameters} parameters", loc="left", linespacing=1.5
    )
    for x, text, side in ((_SIZE, "C × H × W", "right"), (_MACS, "M MACs", "right")):
        axes.text(x, -0.75, text, color=MUTED, fontsize=7.5, ha=side, va="center")
    _end(axes, 0, "image", costs[0].in_shape)
    joints = [row + 0.5 for row in range(rows - 1)]
    centre = sum(_BLOCK) / 2
    axes.vlines(
        [centre] * len(joints),
        [y - 0.17 for y in joints],
        [y + 0.17 for y in joints],
        color=MUTED,
        linewidth=1,
    )
    strides: list[Stride] = [KEEP, *architecture.path.strides]
    for row, (block, stride) in enumerate(zip(costs, strides, strict=True), 1):
        _block(axes, row, block, stride)
    _end(axes, rows - 1, "sequence", costs[-1].out_shape)
    _stages(axes, space.stage_layers)
    return figure


def _end(axes: Axes, row: int, name: str, shape: Sequence[int]) -> None:
    centre = sum(_BLOCK) / 2
    axes.text(centre, row, name, ha="center", va="center", color=MUTED, fontsize=8.5, style="italic")
    _size(axes, row, shape, changed=False)


def _size(axes: Axes, row: int, shape: Sequence[int], changed: bool) -> None:
    text = "×".join(map(str, shape))
    axes.text(
        _SIZE, row, text, ha="right", va="center", fontsize=8, color=INK, weight="bold" if changed else None
    )


def _block(axes: Axes, row: int, block: BlockCost, stride: Stride) -> None:
    """One operation: its box, the arrow into it, its stride, the size of what it gives, its MACs."""
    left, right = _BLOCK
    centre = (left + right) / 2
    drawn = _STEM if block.operation == _STEM.name else parse(block.operation)
    skip = drawn.passes_by
    axes.add_patch(
        FancyBboxPatch(
            (left, row - 0.33),
            right - left,
            0.66,
            boxstyle="round,pad=0,rounding_size=0.14",
            facecolor=drawn.fill,
            edgecolor=MUTED if skip else INK,
            linestyle=(0, (3, 2)) if skip else "-",
            linewidth=0.9,
            mutation_aspect=1,
        )
    )
    if skip:  # the features pass by: a line straight through
        axes.plot([centre, centre], [row - 0.33, row + 0.33], color=MUTED, linewidth=1.0, zorder=3)
        axes.text(
            centre + 0.2, row, drawn.label or drawn.name, va="center", fontsize=8, color=MUTED, style="italic"
        )
    else:
        axes.text(centre, row, drawn.label or drawn.name, ha="center", va="center", fontsize=8)
    if block.name.startswith("layer"):
        number = block.name.removeprefix("layer ")
        axes.text(left - 0.15, row, number, ha="right", va="center", fontsize=7.5, color=MUTED)
    if stride != KEEP:
        axes.text(
            right + 0.12,
            row,
            f"{LETTER_OF[stride]} ↓{stride[0]}×{stride[1]}",
            va="center",
            fontsize=7.5,
            color=VERMILION,
            weight="bold",
        )
    _size(axes, row, block.out_shape, stride != KEEP)
    axes.text(_MACS, row, f"{block.macs / 1e6:.3f}", ha="right", va="center", fontsize=7.5, color=MUTED)


def _stages(axes: Axes, stage_layers: Sequence[int]) -> None:
    """Brackets at the left: which layers make a stage."""
    first = 2  # rows 0 and 1 are the image and the stem
    for stage, layers in enumerate(stage_layers, 1):
        top, bottom = first - 0.36, first + layers - 1 + 0.36
        axes.plot([0.85, 0.7, 0.7, 0.85], [top, top, bottom, bottom], color=MUTED, linewidth=1.0)
        axes.text(
            0.5, (top + bottom) / 2, f"stage {stage}", rotation=90, ha="right", va="center", fontsize=7.5
        )
        first += layers
