"""Decoding of plain JPEGs by simplejpeg (libjpeg-turbo): Pillow's very pixels in a quarter of the time."""

from __future__ import annotations

import re
import struct

import numpy as np
from simplejpeg import decode_jpeg

# Markers of a JPEG's segments, each followed by the length of the rest.
_FRAMES = frozenset((0xFFC0, 0xFFC1, 0xFFC2))  # Huffman-coded pictures
_BEFORE = frozenset((0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE, *range(0xFFE0, 0xFFF0)))  # tables, notes
_EXIF = 0xFFE1
_PAIR = struct.Struct(">HH").unpack_from
# How nearly every encoder begins a picture in colours: JFIF, two tables, the frame with its size.
_USUAL_START = re.compile(
    rb"\xff\xd8\xff\xe0\0\x10.{14}(?:\xff\xdb\0C.{65}){2}\xff\xc0\0\x11\x08(.{4})", re.DOTALL
)


def decode_plain_jpeg(data: bytes, image: tuple[int, int], max_pixels: int) -> np.ndarray | None:
    """Pixels of a JPEG without EXIF entry: uint8 array [rows, columns, 3], RGB.

    They are at 1/2, 1/4 or 1/8 size where that still covers ``image`` (height, width). None if it is anything
    else, of more than ``max_pixels``, cut short or damaged: Pillow then has the last word.
    """
    try:
        size = plain_jpeg_size(data)
        if size is None or size[0] * size[1] > max_pixels:
            return None
        (rows, columns), (height, width) = size, image
        if rows < 2 * height or columns < 2 * width:
            pixels: np.ndarray = decode_jpeg(data, "RGB")
            return pixels
        factor = min(rows // height, columns // width)
        factor = 8 if factor >= 8 else 4 if factor >= 4 else 2
        # It is given the very size that it is to choose: of itself it would also take 3/8 or 7/8.
        pixels = decode_jpeg(data, "RGB", min_height=-(-rows // factor), min_width=-(-columns // factor))
        return pixels
    except (ValueError, struct.error):  # damaged, cut short
        return None


def plain_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG of 8 bits, 1 or 3 components and no EXIF entry; None of anything else.

    struct.error if it is cut short.
    """
    if usual := _USUAL_START.match(data):
        return _PAIR(usual[1])
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    place = 2
    marker, length = _PAIR(data, place)
    while marker not in _FRAMES:
        if marker not in _BEFORE or (marker == _EXIF and data.startswith(b"Exif\0", place + 4)):
            return None
        place += 2 + length
        marker, length = _PAIR(data, place)
    if (length != 17 and length != 11) or data[place + 4] != 8:
        return None
    rows, columns = _PAIR(data, place + 5)
    return rows, columns
