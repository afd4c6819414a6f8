"""What lies behind a word: plain, graded, cloudy, lined, blocky, or a piece of a photograph."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from autostr_nni.data.decoding.image_files import Tell, find_in_folder, tell_nobody, told
from autostr_nni.data.decoding.images import turn_upright
from autostr_nni.data.decoding.modes import to_rgb
from autostr_nni.data.synth.colours import LUMINANCE, any_colour
from autostr_nni.data.synth.style import Style
from autostr_nni.system.errors import InputError

_LARGEST = 384  # a photograph is kept at this size: words are small
_SMOOTH = Image.Resampling.BICUBIC


def find_photos(folders: Iterable[str | os.PathLike[str]], tell: Tell = tell_nobody) -> list[str]:
    """Pictures under the folders, sorted by path; ``tell`` is given what was left out.

    ``InputError`` if a folder has none.
    """
    found: list[str] = []
    for folder in folders:
        inside, others = find_in_folder(Path(folder).expanduser(), "folder of backgrounds")
        if not inside:
            raise InputError(f"no picture in the backgrounds folder {folder}")
        found += sorted(map(str, inside))
        if others:
            tell(told(folder, others, "no picture"))
    return found


@lru_cache(maxsize=128)
def _photo(path: str) -> Image.Image | None:
    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (_LARGEST, _LARGEST))
            turn_upright(picture)
            picture.thumbnail((_LARGEST, _LARGEST))
            return to_rgb(picture).copy()  # a picture of its own: the file is closed
    except Exception:  # any decoder's complaint: draw a background instead
        return None


def draw_ground(
    size: tuple[int, int],
    colour: np.ndarray,
    spread: float,
    rng: random.Random,
    noise: np.random.Generator,
    style: Style,
    photos: tuple[str, ...] = (),
) -> np.ndarray:
    """A background of size (width, height) around a colour: float32 [height, width, 3], 0 to 255.

    ``spread`` bounds how far its luminance strays from the colour's, so that the word stays readable.
    """
    if photos and rng.random() < style.photo:
        piece = _photo_piece(size, rng.choice(photos), rng)
        if piece is not None:
            return _tamed(piece, colour, spread, keep=rng.uniform(0.4, 1.0))
    if rng.random() >= style.texture:
        return np.broadcast_to(colour, (size[1], size[0], 3)).astype(np.float32)
    kind = rng.choices((_graded, _cloudy, _lined, _blocky, _rough), weights=(3, 4, 2, 2, 2))[0]
    return _tamed(kind(size, colour, rng, noise), colour, spread, keep=1.0)


def _tamed(ground: np.ndarray, colour: np.ndarray, spread: float, keep: float) -> np.ndarray:
    """Bring a texture to the colour's mean and its luminance within ``spread`` of it."""
    offset: np.ndarray = ground - ground.mean(axis=(0, 1))
    strongest = float(np.abs(offset @ LUMINANCE).max())
    factor = min(keep, spread / max(strongest, 1e-3))
    tamed: np.ndarray = np.clip(colour + offset * factor, 0, 255)
    return tamed


def _enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A small float texture [h, w, 3], smoothly enlarged."""
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return np.asarray(image.resize(size, _SMOOTH), dtype=np.float32)


def _graded(
    size: tuple[int, int], colour: np.ndarray, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    other = any_colour(rng)
    corners = np.array([[colour, colour], [other, other]])
    if rng.random() < 0.5:
        corners = corners.transpose(1, 0, 2)
    return _enlarged(corners, size)


def _cloudy(
    size: tuple[int, int], colour: np.ndarray, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    width, height = size
    ground = np.zeros((height, width, 3), dtype=np.float32)
    for octave in range(1, rng.randint(2, 4)):
        rows = 1 + 2**octave
        shape = (rows, max(2, rows * width // height // 2), 1 if rng.random() < 0.6 else 3)
        patch = 128 + noise.standard_normal(shape, dtype=np.float32) * 90 / octave
        ground += _enlarged(np.broadcast_to(patch, (*shape[:2], 3)), size)
    return ground


def _lined(
    size: tuple[int, int], colour: np.ndarray, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    """Stripes at any angle: boards, shutters, edges of signs."""
    width, height = size
    across = np.arange(width, dtype=np.float32) * rng.uniform(-1, 1)
    down = np.arange(height, dtype=np.float32)[:, None] * rng.uniform(-1, 1)
    wave = (across + down) * (rng.uniform(1, 9) / height) + rng.random()
    stripes = (wave % 1 < rng.uniform(0.1, 0.9)).astype(np.float32)[..., None]
    lines: np.ndarray = stripes * any_colour(rng) + (1 - stripes) * colour
    return lines


def _blocky(
    size: tuple[int, int], colour: np.ndarray, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    """Rectangles: bricks, frames, other things behind."""
    width, height = size
    ground = np.broadcast_to(colour, (height, width, 3)).astype(np.float32)
    for _ in range(rng.randint(1, 6)):
        x, y = rng.randrange(-width // 3, width), rng.randrange(-height // 3, height)
        right, bottom = x + rng.randint(width // 8 + 1, width), y + rng.randint(height // 8 + 1, height)
        ground[max(y, 0) : bottom, max(x, 0) : right] = any_colour(rng)
    return ground


def _rough(
    size: tuple[int, int], colour: np.ndarray, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    """Grain: stone, cloth, leaves."""
    grain = rng.choice([1, 1, 2, 3])
    shape = (size[1] // grain + 1, size[0] // grain + 1, 1)
    patch = 128 + noise.standard_normal(shape, dtype=np.float32) * 40
    ground = _enlarged(np.broadcast_to(patch, (*shape[:2], 3)), size)
    return ground + _cloudy(size, colour, rng, noise) * 0.5


def _photo_piece(size: tuple[int, int], path: str, rng: random.Random) -> np.ndarray | None:
    photo = _photo(path)
    if photo is None:
        return None
    width, height = size
    scale = min(photo.width / width, photo.height / height) * rng.uniform(0.3, 1.0)
    wide, high = width * scale, height * scale
    x, y = rng.uniform(0, photo.width - wide), rng.uniform(0, photo.height - high)
    piece = photo.resize(size, Image.Resampling.BILINEAR, box=(x, y, x + wide, y + high))
    return np.asarray(piece, dtype=np.float32)
