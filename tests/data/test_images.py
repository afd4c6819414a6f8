from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from autostr_nni.data import images
from autostr_nni.data.images import decode_image


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("LA", "PNG"),
        ("RGB", "BMP"),
    ],
)
def test_modes_and_formats(picture, mode: str, form: str) -> None:
    pixels = decode_image(picture((300, 90), shade=200, mode=mode, form=form), (32, 100))
    assert pixels is not None
    assert pixels.shape == (32, 100, 3)
    assert pixels.dtype == np.uint8
    assert mode == "1" or abs(float(pixels.mean()) - 200) < 3


def test_transparent_becomes_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(buffer, "PNG")
    pixels = decode_image(buffer.getvalue(), (8, 8))
    assert pixels is not None and pixels.min() == 255


def test_sixteen_bits() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16)).save(buffer, "PNG")
    pixels = decode_image(buffer.getvalue(), (8, 8))
    assert pixels is not None and pixels.min() == pixels.max() == 40_000 // 256


def test_photographs_are_turned_upright() -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    pixels = decode_image(buffer.getvalue(), (40, 20))
    assert pixels is not None and pixels[5, 10].min() > 240 and pixels[35, 10].max() < 15


def test_bad_bytes(picture, monkeypatch: pytest.MonkeyPatch) -> None:
    good = picture((60, 40))
    assert decode_image(good, (8, 8)) is not None
    assert decode_image(b"", (8, 8)) is None
    assert decode_image(b"GIF89a", (8, 8)) is None
    assert decode_image(good[: len(good) // 2], (8, 8)) is None
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40 - 1)
    assert decode_image(good, (8, 8)) is None
