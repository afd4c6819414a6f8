"""Decoding of word images into bytes of a fixed size. Light: no torch.

Plain JPEGs, nearly all word images, are decoded by `plain_jpeg`, everything else by Pillow. One resizing
serves both.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import warnings
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps

from autostr_nni.data.decoding.modes import deep_colours, to_rgb
from autostr_nni.data.decoding.plain_jpeg import decode_plain_jpeg
from autostr_nni.system.text_files import read_start

if TYPE_CHECKING:
    from autostr_nni.recipe.model import ModelSection

#: Larger images are refused as undecodable: a word crop never is, a decompression bomb may be.
MAX_PIXELS = 50_000_000
MAX_BYTES = 64 << 20  #: of the encoded image

UNDECODABLE = "undecodable"

#: Grey of what fills an image up: about 0 where the net's numbers are -1 to 1.
FILL = 127
#: An image so many times as tall as wide holds a word that is written downwards, or that lies on its side.
TALL = 1.5

_TURNED = {"exif", "Raw profile type exif"}  # where Pillow notes that a picture may have to be turned

cv2.setNumThreads(1)  # word images are small, and loader processes are forked


def read_image(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an image file. OSError if it cannot be read, or has more than ``MAX_BYTES``."""
    data = read_start(path, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, "too large for a word image")
    return data


class Fitting(NamedTuple):
    """How an image of any shape becomes one of a net's size."""

    pad: bool = False  #: keep the aspect, at the left, and fill up with ``FILL``; else stretch
    rotate: bool = False  #: turn what is ``TALL`` by 90 degrees against the clock


STRETCHED = Fitting()


def fitting_of(model: ModelSection) -> Fitting:
    """How the images of a recipe's nets are fitted."""
    return Fitting(model.resize == "pad", model.vertical == "rotate")


def decode_image(
    data: bytes, image: tuple[int, int], out: np.ndarray | None = None, fitting: Fitting = STRETCHED
) -> np.ndarray | None:
    """Decode and fit to (height, width): uint8 array [height, width, 3], RGB; None if undecodable.

    Photographs are turned upright as their EXIF entry says. ``out``, a contiguous array of that shape, is
    filled and returned instead of a new one.
    """
    try:
        small = (max(image),) * 2 if fitting.rotate else image  # a JPEG's may be smaller, but not than this
        pixels = decode_plain_jpeg(data, small, MAX_PIXELS)
        if pixels is None:
            pixels = _decode_any(data, small)
        return None if pixels is None else fit(pixels, image, out, fitting)
    except Exception:  # decoders raise nearly anything
        return None


def fit(
    pixels: np.ndarray, image: tuple[int, int], out: np.ndarray | None = None, fitting: Fitting = STRETCHED
) -> np.ndarray:
    """``pixels`` [h, w, 3] in the size (height, width), stretched or filled up, turned or as they are."""
    height, width = image
    if fitting.rotate and pixels.shape[0] >= TALL * pixels.shape[1]:
        pixels = np.ascontiguousarray(np.rot90(pixels))
    if not fitting.pad:
        return resize(pixels, image, out)
    taken = min(width, max(1, round(pixels.shape[1] * height / pixels.shape[0])))
    if taken == width:
        return resize(pixels, image, out)
    if out is None:
        out = np.empty((height, width, 3), np.uint8)
    out[:, :taken] = resize(pixels, (height, taken))
    out[:, taken:] = FILL
    return out


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


def _decode_any(data: bytes, image: tuple[int, int]) -> np.ndarray | None:
    picture = open_image(data, shrink_to=(image[1], image[0]))
    return None if picture is None else np.asarray(to_rgb(picture))


def why_undecodable(data: bytes) -> str:
    """The cause for which `open_image` gives nothing, in a few words."""
    too_large = f"of more than {MAX_PIXELS // 1_000_000} million pixels"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data[: MAX_BYTES + 1]))
        return too_large if picture.width * picture.height > MAX_PIXELS else UNDECODABLE
    except Image.DecompressionBombError:
        return too_large
    except Exception:  # decoders raise nearly anything
        return UNDECODABLE


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
