"""Aligned columns for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], align: str, gap: str = "  ") -> str:
    """Lay rows out in columns. `align` has `<` or `>` per column; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(align))]
    lines = []
    for row in rows:
        cells = (f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True))
        lines.append(gap.join(cells).rstrip())
    return "\n".join(lines)


def thousands(number: int) -> str:
    """`2364128` as `2 364 128`."""
    return f"{number:,}".replace(",", " ")
