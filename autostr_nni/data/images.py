"""Decoding of word images into bytes of a fixed size. Light: no torch.

Plain JPEGs, nearly all word images, are decoded by OpenCV, which gives Pillow's very pixels in a quarter of
the time; everything else by Pillow. One resizing serves both.
"""

from __future__ import annotations

import io
import os
import re

import numpy as np
from PIL import Image, ImageOps

#: Larger images are refused as undecodable: a word crop never is, a decompression bomb may be.
MAX_PIXELS = 50_000_000

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # read when OpenCV is loaded
import cv2  # noqa: E402

cv2.setNumThreads(1)  # word images are small, and loader processes are forked

# Start of frame of a Huffman-coded JPEG of 8 bits and 1 or 3 components: height and width follow.
_FRAME = re.compile(rb"\xff[\xc0-\xc2]\x00[\x0b\x11]\x08(..)(..)", re.DOTALL)
_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def decode_image(data: bytes, image: tuple[int, int], out: np.ndarray | None = None) -> np.ndarray | None:
    """Decode and resize to (height, width): uint8 array [height, width, 3], RGB; None if undecodable.

    Photographs are turned upright as their EXIF entry says. ``out``, a contiguous array of that shape, is
    filled and returned instead of a new one.
    """
    try:
        pixels = _decode_plain_jpeg(data, image)
        if pixels is None:
            pixels = _decode_any(data, image)
        return None if pixels is None else resize(pixels, image, out)
    except Exception:  # an odd mode or a damaged EXIF entry; decoders raise nearly anything
        return None


def resize(pixels: np.ndarray, image: tuple[int, int], out: np.ndarray | None = None) -> np.ndarray:
    """``pixels`` [h, w, 3] in the size (height, width), bilinear.

    An axis that shrinks to half or less is averaged over whole areas first, or bilinear sampling would skip
    pixels. Enlarging equals Pillow's BILINEAR within a grey level; shrinking is a little less soft.
    """
    height, width = image
    rows, columns = pixels.shape[:2]
    if rows >= 2 * height or columns >= 2 * width:
        rows = height if rows >= 2 * height else rows
        columns = width if columns >= 2 * width else columns
        pixels = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, (width, height), out, interpolation=cv2.INTER_LINEAR)


def _decode_plain_jpeg(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    """Pixels of a JPEG without EXIF entry, at 1/2, 1/4 or 1/8 size where that still covers ``image``.

    None if it is anything else, cut short or damaged: Pillow then has the last word.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    frame = _FRAME.search(data)
    if frame is None or data.find(b"Exif\0", 0, frame.start()) >= 0:
        return None
    rows, columns = int.from_bytes(frame[1], "big"), int.from_bytes(frame[2], "big")
    if rows * columns > MAX_PIXELS:
        return None
    encoded = np.frombuffer(data, np.uint8)
    for factor, flag in _REDUCED.items():
        if rows >= factor * image[0] and columns >= factor * image[1]:
            found = cv2.imdecode(encoded, flag | cv2.IMREAD_IGNORE_ORIENTATION)
            return None if found is None else cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    return cv2.imdecode(encoded, _AS_STORED)


def _decode_any(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    picture = open_image(data, shrink_to=(image[1], image[0]))
    if picture is None:
        return None
    if "exif" in picture.info:
        picture = ImageOps.exif_transpose(picture)
    return np.asarray(to_rgb(picture))


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
