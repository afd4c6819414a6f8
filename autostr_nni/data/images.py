"""Decoding of word images into bytes of a fixed size. Light: no torch.

Plain JPEGs, nearly all word images, are decoded by simplejpeg (libjpeg-turbo), which gives Pillow's very
pixels in a quarter of the time; everything else by Pillow. One resizing serves both.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import struct

import cv2
import numpy as np
from PIL import Image, ImageOps
from simplejpeg import decode_jpeg

from autostr_nni.data.modes import deep_colours, to_rgb
from autostr_nni.search_spaces.text_files import read_start

#: Larger images are refused as undecodable: a word crop never is, a decompression bomb may be.
MAX_PIXELS = 50_000_000
MAX_BYTES = 64 << 20  #: of the encoded image

_TURNED = {"exif", "Raw profile type exif"}  # where Pillow notes that a picture may have to be turned

cv2.setNumThreads(1)  # word images are small, and loader processes are forked

# Markers of a JPEG's segments, each followed by the length of the rest.
_FRAMES = frozenset((0xFFC0, 0xFFC1, 0xFFC2))  # Huffman-coded pictures
_BEFORE = frozenset((0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE, *range(0xFFE0, 0xFFF0)))  # tables, notes
_EXIF = 0xFFE1
_PAIR = struct.Struct(">HH").unpack_from
# How nearly every encoder begins a picture in colours: JFIF, two tables, the frame with its size.
_USUAL_START = re.compile(
    rb"\xff\xd8\xff\xe0\0\x10.{14}(?:\xff\xdb\0C.{65}){2}\xff\xc0\0\x11\x08(.{4})", re.DOTALL
)


def read_image(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an image file. OSError if it cannot be read, or has more than ``MAX_BYTES``."""
    data = read_start(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, "too large for a word image")
    return data


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
    except Exception:  # decoders raise nearly anything
        return None


def resize(pixels: np.ndarray, image: tuple[int, int], out: np.ndarray | None = None) -> np.ndarray:
    """``pixels`` [h, w, 3] in the size (height, width), bilinear.

    An axis that shrinks to half or less is halved first, as often as it can be, or bilinear sampling would
    skip pixels. Enlarging equals Pillow's BILINEAR within a grey level; shrinking is a little less soft.
    """
    height, width = image
    rows, columns, _ = pixels.shape
    while rows >= 2 * height or columns >= 2 * width:
        rows = rows // 2 if rows >= 2 * height else height  # the height is reached on the way
        columns = columns // 2 if columns >= 2 * width else columns
        pixels = cv2.resize(pixels, (columns, rows))
    return cv2.resize(pixels, (width, height), out)


def _decode_plain_jpeg(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    """Pixels of a JPEG without EXIF entry, at 1/2, 1/4 or 1/8 size where that still covers ``image``.

    None if it is anything else, cut short or damaged: Pillow then has the last word.
    """
    try:
        size = _size_of_plain_jpeg(data)
        if size is None:
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


def _size_of_plain_jpeg(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG of 8 bits, 1 or 3 components and no EXIF entry; None of anything else."""
    if usual := _USUAL_START.match(data):
        rows, columns = _PAIR(usual[1])
        return (rows, columns) if rows * columns <= MAX_PIXELS else None
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
    return (rows, columns) if rows * columns <= MAX_PIXELS else None


def _decode_any(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    picture = open_image(data, shrink_to=(image[1], image[0]))
    return None if picture is None else np.asarray(to_rgb(picture))


def open_image(data: bytes, shrink_to: tuple[int, int] | None = None) -> Image.Image | None:
    """A fully decoded picture, upright; None if that fails or it is larger than ``MAX_PIXELS``.

    With ``shrink_to`` (width, height) a JPEG may be decoded at 1/2, 1/4 or 1/8 size, but not smaller.
    """
    if len(data) > MAX_BYTES:
        return None
    try:
        picture: Image.Image = Image.open(io.BytesIO(data))
        if picture.width * picture.height > MAX_PIXELS:
            return None
        if shrink_to is not None and not _TURNED & picture.info.keys():  # that one may lie on its side
            picture.draft("RGB", shrink_to)
        deep = deep_colours(picture, data)
        picture.load()
        if deep is not None:
            deep.format = picture.format
            deep.info = {key: picture.info[key] for key in _TURNED & picture.info.keys()}
            picture = deep
        turn_upright(picture)
        return picture
    except Exception:  # decoders raise nearly anything on damaged bytes
        return None


def turn_upright(picture: Image.Image) -> None:
    """Turn a picture as its EXIF entry says; one whose entry is damaged stays as it lies."""
    if _TURNED & picture.info.keys():
        with contextlib.suppress(Exception):  # whatever a damaged entry leads Pillow to
            ImageOps.exif_transpose(picture, in_place=True)
