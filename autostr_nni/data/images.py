"""Decoding of word images into bytes of a fixed size. Light: no torch."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

#: Larger images are refused as undecodable: a word crop never is, a decompression bomb may be.
MAX_PIXELS = 50_000_000


def decode_image(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    """Decode and resize to (height, width): uint8 array [height, width, 3], RGB; None if undecodable.

    Photographs are turned upright as their EXIF entry says.
    """
    height, width = image
    picture = open_image(data, shrink_to=(width, height))
    if picture is None:
        return None
    try:
        if "exif" in picture.info:
            picture = ImageOps.exif_transpose(picture)
        return np.asarray(to_rgb(picture).resize((width, height), Image.Resampling.BILINEAR))
    except Exception:  # an odd mode or a damaged EXIF entry
        return None


def open_image(data: bytes, shrink_to: tuple[int, int] | None = None) -> Image.Image | None:
    """A fully decoded picture; None if that fails or it is larger than ``MAX_PIXELS``.

    With ``shrink_to`` (width, height) a JPEG may be decoded at 1/2, 1/4 or 1/8 size, but not smaller.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        if picture.width * picture.height > MAX_PIXELS:
            return None
        if shrink_to is not None and "exif" not in picture.info:  # that one may lie on its side
            picture.draft("RGB", shrink_to)
        picture.load()
        return picture
    except Exception:  # decoders raise nearly anything on damaged bytes
        return None


def to_rgb(picture: Image.Image) -> Image.Image:
    """Three-channel copy of any picture; transparent parts become white, 16-bit grey becomes 8-bit."""
    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I"):
        grey = np.clip(np.asarray(picture).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if "A" in picture.getbands() or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return picture.convert("RGB")
