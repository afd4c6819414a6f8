"""Three channels of 8 bits of a picture of any mode, in which its letters can still be told. Light: no torch.

Pillow's own conversions cut deep grey off at 255, keep the upper byte of deep colours alone, and put
see-through pictures on a ground that may have the colour of their letters.
"""

from __future__ import annotations

import re

import cv2
import numpy as np
from PIL import Image

_ONE_COLOUR = 2  # levels that a channel of a picture of one colour may differ by: nobody sees so little
_OUTLIERS = 0.2  # per cent of the pixels at either end that may be hot or dead
_APART = 64  # levels of luminance between letters and a ground that is not theirs
_GROUNDS = (255, 0, 128)  # white, black, grey: the first that letters stand out from
_DEEP_COLOURS = re.compile(r"(RGB|RGBA|LA);16|'RGB', 65535")  # how Pillow names what it is to decode


def to_rgb(picture: Image.Image) -> Image.Image:
    """Three-channel copy of any picture.

    Deep and floating grey is stretched by its own range; a see-through picture is put on white, or on black
    or grey where that differs more from what is to be seen of it.
    """
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_stretched(np.asarray(picture))).convert("RGB")
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        return _on_a_ground(picture.convert("RGBA"))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def deep_colours(picture: Image.Image, data: bytes) -> Image.Image | None:
    """A picture of 16 bits per colour, stretched by its own range, as RGB or RGBA; None for any other.

    ``picture`` is what Pillow opened of ``data`` and has not loaded yet.
    """
    if picture.mode not in ("RGB", "RGBA", "LA") or not _DEEP_COLOURS.search(
        str(getattr(picture, "tile", ""))
    ):
        return None
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    colours = _stretched(pixels[..., 2::-1])  # from blue, green, red
    if pixels.shape[2] < 4:
        return Image.fromarray(colours)
    return Image.fromarray(np.dstack([colours, (pixels[..., 3] // 256).astype(np.uint8)]))


def is_one_colour(pixels: np.ndarray) -> bool:
    """Whether pixels [height, width, 3] of 8 bits are all of one colour, so that no letter is to be seen."""
    least, most = pixels.min(axis=(0, 1)).astype(int), pixels.max(axis=(0, 1)).astype(int)
    return bool((most - least).max() <= _ONE_COLOUR)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values of any range as 8 bits: their least is 0, their largest 255, but for a few outliers."""
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() == finite.max():
        return np.full(values.shape, 128, np.uint8)
    low, high = np.percentile(finite, (_OUTLIERS, 100 - _OUTLIERS))
    if low == high:
        low, high = finite.min(), finite.max()
    scaled = np.nan_to_num((values - low) * (255 / (high - low)), nan=0.0)
    stretched: np.ndarray = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return stretched


def _on_a_ground(picture: Image.Image) -> Image.Image:
    """An RGBA picture on the ground that the least of what is to be seen of it comes near to."""
    seen = np.asarray(picture.getchannel("A"))
    if seen.min() == seen.max():  # says nothing: all is opaque, or was meant to be
        return picture.convert("RGB")
    luminance = np.asarray(picture.convert("L")).astype(np.int16)
    near = [int(seen[np.abs(luminance - level) < _APART].sum(dtype=np.int64)) for level in _GROUNDS]
    level = _GROUNDS[near.index(min(near))]
    ground = Image.new("RGBA", picture.size, (level, level, level, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")
