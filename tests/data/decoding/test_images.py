from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from autostr_nni.data.decoding import images
from autostr_nni.data.decoding.images import decode_image


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
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 20, 10))
    image.save(buffer, "PNG")
    pixels = decode_image(buffer.getvalue(), (8, 8))
    assert pixels is not None and pixels[-1].min() == 255 and pixels[0].max() == 0


def turned(form: str, exif: Image.Exif | bytes, size: tuple[int, int] = (40, 20)) -> bytes:
    """Black with a white left half, to be turned by 90 degrees clockwise."""
    image = Image.new("RGB", size, "black")
    image.paste("white", (0, 0, size[0] // 2, size[1]))
    if isinstance(exif, Image.Exif):
        exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, form, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_photographs_are_turned_upright(form: str) -> None:
    for size in ((40, 20), (800, 400)):
        data = turned(form, Image.Exif(), size)
        pixels = decode_image(data, (40, 20))
        assert pixels is not None and pixels[5, 10].min() > 240 and pixels[35, 10].max() < 15
        picture = images.open_image(data)  # whoever shows or measures it sees the same
        assert picture is not None and picture.size == size[::-1] and picture.format == form


def test_a_damaged_entry_leaves_a_picture_as_it_lies() -> None:
    data = turned("JPEG", b"Exif\0\0MM\0*rubbish")
    pixels, picture = decode_image(data, (20, 40)), images.open_image(data)
    assert pixels is not None and pixels[10, 5].min() > 240 and pixels[10, 35].max() < 15
    assert picture is not None and picture.size == (40, 20)


def test_bad_bytes(picture, monkeypatch: pytest.MonkeyPatch) -> None:
    good = picture((60, 40))
    assert decode_image(good, (8, 8)) is not None
    assert decode_image(b"", (8, 8)) is None
    assert decode_image(b"GIF89a", (8, 8)) is None
    assert decode_image(good[: len(good) // 2], (8, 8)) is None
    monkeypatch.setattr(images, "MAX_PIXELS", 60 * 40 - 1)
    assert decode_image(good, (8, 8)) is None


def test_enlarging_is_pillow_s(picture) -> None:
    small = Image.open(io.BytesIO(picture((61, 23))))
    ours = images.resize(np.asarray(small), (64, 256)).astype(int)
    theirs = np.asarray(small.resize((256, 64), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("size", [(32, 400), (128, 100), (300, 900)])
def test_shrinking_skips_no_pixels(size: tuple[int, int]) -> None:
    """Lines of one pixel, black and white in turn, become grey."""
    for axis in (0, 1):
        lines = np.zeros((*size, 3), np.uint8)
        lines[(slice(None), slice(None, None, 2)) if axis else slice(None, None, 2)] = 255
        shrunk = images.resize(lines, (32, 100))[4:-4, 4:-4]
        if size[axis] >= 2 * (32, 100)[axis]:
            assert shrunk.min() > 110 and shrunk.max() < 145


def test_pixels_are_written_into_what_is_given(picture) -> None:
    for data in (picture((50, 20)), picture((50, 20), shade=9, form="PNG")):
        batch = np.full((3, 32, 100, 3), 77, np.uint8)
        assert np.shares_memory(decode_image(data, (32, 100), batch[1]), batch)
        assert np.array_equal(batch[1], decode_image(data, (32, 100)))
        assert (batch[[0, 2]] == 77).all()
