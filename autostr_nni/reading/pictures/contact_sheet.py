"""Wrong words on one sheet: the image, what it says, and what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from autostr_nni.reading.pictures.canvas import FAINT, INK, LINE, RIGHT, WRONG, Picture, fit, write

_CELL, _IMAGE_HEIGHT, _TEXT_HEIGHT, _GAP, _HEAD = 250, 72, 60, 14, 58


@dataclass(frozen=True)
class Entry:
    """A word on the sheet; ``note`` is a small line below it."""

    image: Picture
    truth: str
    text: str
    note: str


def contact_sheet(entries: Sequence[Entry], title: str, subtitle: str, columns: int = 4) -> Picture:
    """All entries in rows, in their order."""
    columns = max(1, min(columns, len(entries)))
    rows = -(-len(entries) // columns)
    cell_height = _IMAGE_HEIGHT + _TEXT_HEIGHT
    width = max(560, _GAP + columns * (_CELL + _GAP))
    sheet = Image.new("RGB", (width, _HEAD + _GAP + rows * (cell_height + _GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    write(draw, (_GAP, 28), title, size=18, width=width - 2 * _GAP, bold=True)
    write(draw, (_GAP, 49), subtitle, FAINT, 13, width - 2 * _GAP)
    for number, entry in enumerate(entries):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (_CELL + _GAP), _HEAD + _GAP + row * (cell_height + _GAP)
        _draw_entry(sheet, draw, entry, left, top)
    return sheet


def _draw_entry(sheet: Picture, draw: ImageDraw.ImageDraw, entry: Entry, left: int, top: int) -> None:
    draw.rectangle((left, top, left + _CELL, top + _IMAGE_HEIGHT), fill="#f3f5f8", outline=LINE)
    small = fit(entry.image, _CELL - 8, _IMAGE_HEIGHT - 8)
    sheet.paste(small, (left + (_CELL - small.width) // 2, top + (_IMAGE_HEIGHT - small.height) // 2))
    base = top + _IMAGE_HEIGHT + 18
    for label, word, colour in (("is", entry.truth, RIGHT), ("read", entry.text or "(nothing)", WRONG)):
        write(draw, (left, base), label, FAINT, 12)
        write(draw, (left + 36, base), word, colour, 15, _CELL - 36, bold=True)
        base += 18
    write(draw, (left, base), entry.note, INK, 11, _CELL)
