"""Decoding of word images into bytes of a fixed size. Light: no torch."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

#: Larger images are refused as undecodable: a word crop never is, a decompression bomb may be.
MAX_PIXELS = 50_000_000


def decode_image(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    """Decode and resize to (height, width): uint8 array [height, width, 3], RGB; None if undecodable."""
    height, width = image
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            if "exif" in picture.info:
                oriented: Image.Image = ImageOps.exif_transpose(picture)
            else:
                # JPEG decodes at 1/2, 1/4 or 1/8 size where that is still larger than what is asked for.
                picture.draft("RGB", (width, height))
                oriented = picture
            resized = to_rgb(oriented).resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(resized)
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
