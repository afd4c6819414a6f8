"""Words as a net is shown them in training: the image, and what augmentation makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from autostr_nni.reading.pictures.canvas import FAINT, INK, LINE, Picture, fit, write

_CELL, _HEIGHT, _GAP, _HEAD, _LABEL = 240, 80, 10, 66, 22


@dataclass(frozen=True)
class Shown:
    """A word: what it says, its picture as the net reads it, and as training shows it; uint8 [h, w, 3]."""

    truth: str
    image: np.ndarray
    seen: Sequence[np.ndarray]


def training_sheet(words: Sequence[Shown], title: str, subtitle: str) -> Picture:
    """A row for each word: its image, then what training shows of it."""
    columns = 1 + max(len(word.seen) for word in words)
    row = _LABEL + _HEIGHT + _GAP
    sheet = Image.new("RGB", (_GAP + columns * (_CELL + _GAP), _HEAD + len(words) * row + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    inside = sheet.width - 2 * _GAP
    write(draw, (_GAP, 28), title, size=18, width=inside, bold=True)
    write(draw, (_GAP, 50), subtitle, FAINT, 13, inside)
    for number, word in enumerate(words):
        top = _HEAD + number * row
        write(draw, (_GAP, top + 16), word.truth, INK, 15, _CELL, bold=True)
        for column, pixels in enumerate((word.image, *word.seen)):
            left, below = _GAP + column * (_CELL + _GAP), top + _LABEL
            draw.rectangle((left, below, left + _CELL, below + _HEIGHT), fill="#f3f5f8", outline=LINE)
            small = fit(Image.fromarray(pixels), _CELL - 4, _HEIGHT - 4)
            sheet.paste(small, (left + (_CELL - small.width) // 2, below + (_HEIGHT - small.height) // 2))
    return sheet
