"""A word's letters as a transparent picture: spacing, weight, outline, shadow, side, colours."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from autostr_nni.data.synth.colours import any_colour, away_from
from autostr_nni.data.synth.fonts import Face, sized
from autostr_nni.data.synth.style import Style

#: Sizes that faces are opened at: few, so that opened faces can be kept.
_SIZES = (20, 26, 32, 40, 50, 64, 84)


@dataclass
class Letters:
    """Premultiplied RGBA [height, width, 4], uint8, and the box of the word's ink in it, in pixels."""

    pixels: np.ndarray
    box: tuple[float, float, float, float]  #: left, top, right, bottom


@lru_cache(maxsize=16)
def _repertoires(faces: tuple[Face, ...]) -> list[tuple[frozenset[str], bool]]:
    """What faces draw, each kind once: characters, and whether as capitals only. The commonest first."""
    return [
        kind for kind, _ in Counter((face.characters, face.capitals_only) for face in faces).most_common()
    ]


def can_draw(text: str, faces: tuple[Face, ...]) -> bool:
    """Whether a face draws all characters of a text, in their case."""
    needed, small = _needed(text)
    return any(needed <= drawn and not (small and capitals) for drawn, capitals in _repertoires(faces))


def _needed(text: str) -> tuple[set[str], bool]:
    """Characters to be drawn (a blank is none), and whether small letters are among them."""
    return set(text) - {" "}, text != text.upper()


@lru_cache(maxsize=16)
def _cumulative(faces: tuple[Face, ...]) -> list[float]:
    return list(accumulate(face.weight for face in faces))


def choose_face(text: str, faces: tuple[Face, ...], rng: random.Random) -> Face | None:
    """A face that draws all characters of a text, in their case; None if there is none."""
    needed, small = _needed(text)
    for _ in range(20):
        face = rng.choices(faces, cum_weights=_cumulative(faces))[0]
        if needed <= face.characters and not (small and face.capitals_only):
            return face
    fitting = [f for f in faces if needed <= f.characters and not (small and f.capitals_only)]
    return rng.choice(fitting) if fitting else None


def draw_letters(
    text: str,
    face: Face,
    height: float,
    colours: tuple[np.ndarray, np.ndarray],
    rng: random.Random,
    style: Style,
    others: Sequence[str] = (),
) -> Letters:
    """Draw a text with ink about ``height`` pixels high; ``others`` are words to hint at around it."""
    font = _fitting(text, face, height)
    unit = float(font.size)
    spacing = rng.uniform(*style.spacing_range) * unit if rng.random() < style.spacing else 0.0
    weight = 1 if rng.random() < style.bold else 0
    outlined = rng.random() < style.outline
    pad = round(0.35 * unit) + 3
    left, top, right, bottom = _extent(text, font, spacing)
    size = (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad)
    origin = (pad - left, pad - top)
    around = _around(others, font, origin, (left, top, right, bottom), rng, style)
    runs = [(text, origin), *around]
    fill = _mask(runs, font, spacing, size, weight)
    box = (pad - weight, pad - weight, size[0] - pad + weight, size[1] - pad + weight)
    if rng.random() < style.underline:
        draw = ImageDraw.Draw(fill)
        base = min(size[1] - 3, round(pad + (bottom - top) + 0.06 * unit))
        draw.rectangle((pad, base, size[0] - pad, base + max(1, round(0.05 * unit))), fill=255)
    outline = _mask(runs, font, spacing, size, weight + rng.choice([1, 1, 2, 3])) if outlined else None
    return Letters(_coloured(fill, outline, unit, colours, rng, style), box)


def _fitting(text: str, face: Face, height: float) -> ImageFont.FreeTypeFont:
    """The face at the size, among the kept ones, whose ink comes nearest to a height."""
    _, top, _, bottom = sized(face.path, face.index, 32).getbbox(text, anchor="ls")
    wanted = 32 * height / max(bottom - top, 6)
    size = min(_SIZES, key=lambda value: abs(value - wanted))
    return sized(face.path, face.index, size)


def _extent(text: str, font: ImageFont.FreeTypeFont, spacing: float) -> tuple[float, float, float, float]:
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    return left, top, right + spacing * (len(text) - 1), bottom


def _mask(
    runs: Sequence[tuple[str, tuple[float, float]]],
    font: ImageFont.FreeTypeFont,
    spacing: float,
    size: tuple[int, int],
    stroke: int,
) -> Image.Image:
    """Coverage of all runs of letters, mode L; each run starts at its baseline's left end."""
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for text, (x, y) in runs:
        if not spacing:
            draw.text((x, y), text, 255, font, anchor="ls", stroke_width=stroke)
            continue
        for place, character in enumerate(text):
            # The length of what comes before keeps the face's own kerning.
            at = x + font.getlength(text[:place]) + spacing * place
            draw.text((at, y), character, 255, font, anchor="ls", stroke_width=stroke)
    return image


def _around(
    others: Sequence[str],
    font: ImageFont.FreeTypeFont,
    origin: tuple[float, float],
    extent: tuple[float, float, float, float],
    rng: random.Random,
    style: Style,
) -> list[tuple[str, tuple[float, float]]]:
    """Where words beside, above or below come in, far enough away not to be read as part of the word."""
    runs = []
    left, top, right, bottom = extent
    for other in others:
        box = font.getbbox(other, anchor="ls")
        gap = font.size * rng.uniform(0.12, 0.3)
        side = rng.randrange(4)
        if side == 0:
            runs.append((other, (origin[0], origin[1] + bottom - box[1] + gap)))
        elif side == 1:
            runs.append((other, (origin[0], origin[1] + top - box[3] - gap)))
        elif side == 2:
            runs.append((other, (origin[0] + right - box[0] + 1.3 * gap, origin[1])))
        else:
            runs.append((other, (origin[0] + left - box[2] - 1.3 * gap, origin[1])))
    return runs


def _coloured(
    fill: Image.Image,
    outline: Image.Image | None,
    unit: float,
    colours: tuple[np.ndarray, np.ndarray],
    rng: random.Random,
    style: Style,
) -> np.ndarray:
    """Lay shadow, side, outline and letters over one another, from the lowest up."""
    ink, ground = colours
    body = fill if outline is None else outline
    # Planes, not pixels: arrays whose last axis is 3 or 4 long are slow.
    picture = np.zeros((4, fill.height, fill.width), dtype=np.float32)
    if rng.random() < style.shadow:
        dark = ground * rng.uniform(0.1, 0.6) if rng.random() < 0.8 else any_colour(rng)
        soft = body.filter(ImageFilter.BoxBlur(rng.uniform(0.5, 2.5))) if rng.random() < 0.6 else body
        shift = [round(rng.uniform(-0.12, 0.12) * unit) for _ in range(2)]
        _over(picture, _shifted(_cover(soft), *shift) * rng.uniform(0.4, 1.0), dark)
    if rng.random() < style.depth:
        side, across, down = _cover(body), rng.choice([-1, 0, 1]), rng.choice([-1, 1, 1])
        deep = side.copy()
        for step in range(1, 1 + rng.randint(2, max(2, round(0.1 * unit)))):
            np.maximum(deep, _shifted(side, across * step, down * step), out=deep)
        _over(picture, deep, away_from([ink], rng, 50))
    if outline is not None:
        edge = away_from([ink, ground] if rng.random() < 0.7 else [ink], rng, 60)
        if rng.random() < style.hollow:
            edge, ink = ink, ground
        _over(picture, _cover(outline), edge)
    tone: np.ndarray = ink
    if rng.random() < style.two_tone:
        other = np.clip(ink + np.array([rng.gauss(0, 35) for _ in range(3)], dtype=np.float32), 0, 255)
        ramp = np.linspace(0, 1, fill.height, dtype=np.float32)
        tone = ink[:, None] * ramp + other[:, None] * (1 - ramp)
    _over(picture, _cover(fill), tone)
    picture += 0.5
    return np.ascontiguousarray(picture.astype(np.uint8).transpose(1, 2, 0))


def _cover(mask: Image.Image) -> np.ndarray:
    """Coverage 0 to 1 as float32 [height, width]."""
    cover = np.array(mask, dtype=np.float32)
    cover *= 1 / 255
    return cover


def _over(picture: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Lay a colour [3] or [3, height] over a premultiplied picture [4, height, width], in place."""
    paint = np.append(colour, np.full((1, *colour.shape[1:]), 255, dtype=np.float32), axis=0)
    paint = paint.reshape(4, -1, 1)
    # Equal to picture * (1 - cover) + paint * cover, and exact where the picture is still empty.
    picture += (paint - picture) * cover


def _shifted(cover: np.ndarray, across: int, down: int) -> np.ndarray:
    """Move a coverage by whole pixels; what leaves the picture is lost."""
    out = np.zeros_like(cover)
    height, width = cover.shape
    to_y, from_y = slice(max(down, 0), height + min(down, 0)), slice(max(-down, 0), height + min(-down, 0))
    to_x, from_x = (
        slice(max(across, 0), width + min(across, 0)),
        slice(max(-across, 0), width + min(-across, 0)),
    )
    out[to_y, to_x] = cover[from_y, from_x]
    return out
