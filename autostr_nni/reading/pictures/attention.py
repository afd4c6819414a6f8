"""An image as a recognizer reads it: its control points, the rectified image, attention by character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from autostr_nni.reading.pictures.canvas import FAINT, INK, LINE, Picture, write

if TYPE_CHECKING:
    from autostr_nni.reading.attention import Sight

_WIDTH, _GAP, _HEAD, _LABEL, _BARS = 400, 16, 62, 24, 30
_HOT, _POINT = (224, 80, 20), "#d12d6a"


def draw_sight(sight: Sight, name: str, columns: int = 2) -> Picture:
    """The image beside the rectified one, then one panel per character with what was attended to."""
    seen = _enlarge(sight.image)
    rectified = _enlarge(sight.rectified)
    top = max(seen.height, rectified.height) + _LABEL + _GAP
    panel = rectified.height + _BARS + _LABEL + _GAP
    rows = -(-len(sight.text) // columns)
    page = Image.new("RGB", (2 * _WIDTH + 3 * _GAP, _HEAD + top + rows * panel + _GAP // 2), "white")
    draw = ImageDraw.Draw(page)
    inside = page.width - 2 * _GAP
    write(draw, (_GAP, 30), sight.text or "(nothing)", INK, 22, inside, bold=True)
    write(draw, (_GAP, 52), f"confidence {100 * sight.confidence:.1f} % · {name}", FAINT, 13, inside)
    has_rectifier = sight.points is not None
    titles = ("image, with control points" if has_rectifier else "image", "rectified")
    for column, picture in enumerate((seen, rectified) if has_rectifier else (seen,)):
        left = _GAP + column * (_WIDTH + _GAP)
        write(draw, (left, _HEAD + 14), titles[column], FAINT, 13)
        page.paste(picture, (left, _HEAD + _LABEL))
    if sight.points is not None:
        _draw_points(draw, sight.points, _GAP, _HEAD + _LABEL, seen.size)
    for number, character in enumerate(sight.text):
        row, column = divmod(number, columns)
        left, y = _GAP + column * (_WIDTH + _GAP), _HEAD + top + row * panel
        end = left + write(draw, (left, y + 18), character, INK, 18, bold=True)
        write(draw, (end + 8, y + 17), f"{100 * float(sight.probabilities[number]):.1f} %", FAINT, 13)
        weights = sight.attention[number]
        page.paste(_heated(rectified, weights), (left, y + _LABEL))
        _draw_bars(draw, weights, left, y + _LABEL + rectified.height)
    return page


def _enlarge(pixels: np.ndarray) -> Picture:
    height, width = pixels.shape[:2]
    return Image.fromarray(pixels).resize((_WIDTH, round(height * _WIDTH / width)), Image.Resampling.BICUBIC)


def _heated(picture: Picture, weights: np.ndarray) -> Picture:
    """The picture in grey, coloured where attention lies; faint where it lies everywhere."""
    profile = np.interp(
        (np.arange(picture.width) + 0.5) / picture.width * len(weights) - 0.5,
        np.arange(len(weights)),
        weights,
    )
    heat = (profile / max(float(weights.max()), 3 / len(weights))).astype(np.float32)[None, :, None]
    grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None] * 0.75 + 64
    hot = grey * 0.35 + np.array(_HOT, dtype=np.float32) * 0.65
    return Image.fromarray((grey * (1 - heat) + hot * heat).round().clip(0, 255).astype(np.uint8))


def _draw_bars(draw: ImageDraw.ImageDraw, weights: Sequence[float] | np.ndarray, left: int, top: int) -> None:
    """Weight of every step of the sequence, 0 to 1, below the place that it is of."""
    step = _WIDTH / len(weights)
    bottom = top + _BARS - 2
    for index, weight in enumerate(weights):
        height = float(weight) * (_BARS - 4)
        x = left + index * step
        draw.rectangle((x + 1, bottom - height, x + max(step - 1, 1), bottom), fill=_HOT)
    draw.line((left, bottom + 1, left + _WIDTH, bottom + 1), fill=LINE)


def _draw_points(
    draw: ImageDraw.ImageDraw, points: np.ndarray, left: int, top: int, size: tuple[int, int]
) -> None:
    """Control points, those of the upper and of the lower edge joined; points outside stand at the border."""
    places = [
        (left + min(max(float(x), 0), 1) * size[0], top + min(max(float(y), 0), 1) * size[1])
        for x, y in points
    ]
    half = len(places) // 2
    for edge in (places[:half], places[half:]):
        draw.line(edge, fill=_POINT, width=2)
        for x, y in edge:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=_POINT, outline="white")
