from __future__ import annotations

import io

import cv2
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


def jpeg(size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    """A smooth coloured picture."""
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [np.sin(x / 9 + k) * np.cos(y / 7 - k) * 120 + 128 for k in range(3)]
    buffer = io.BytesIO()
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(60, 20), (230, 41), (400, 130), (1700, 600)])
@pytest.mark.parametrize(("mode", "options"), [("RGB", {}), ("RGB", {"progressive": True}), ("L", {})])
def test_plain_jpegs_have_pillow_s_pixels(size: tuple[int, int], mode: str, options: dict) -> None:
    data = jpeg(size, mode, **options)
    fast = images._decode_plain_jpeg(data, (32, 100))
    picture = images.open_image(data, shrink_to=(100, 32))
    assert picture is not None
    assert np.array_equal(fast, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("sampling", ["411", "420", "422", "440", "444"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (61, 23), (403, 131), (1701, 601)])
def test_any_sampling_of_colours_has_pillow_s_pixels(size: tuple[int, int], sampling: str) -> None:
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    kind = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}")
    for quality in (30, 95):
        options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, kind, cv2.IMWRITE_JPEG_QUALITY, quality]
        data = cv2.imencode(".jpg", pixels, options)[1].tobytes()
        picture = images.open_image(data, shrink_to=(100, 32))
        assert picture is not None
        assert np.array_equal(images._decode_plain_jpeg(data, (32, 100)), np.asarray(picture))


def test_only_plain_jpegs_are_taken_for_such(picture) -> None:
    """The header is followed from segment to segment: what lies inside one is not taken for a frame."""
    plain = jpeg((80, 30))
    tiny = b"\xff\xc0\x00\x11\x08\x00\x02\x00\x02\x03"

    def with_segment(marker: bytes, content: bytes) -> bytes:
        return plain[:2] + marker + (len(content) + 2).to_bytes(2, "big") + content + plain[2:]

    for data in (plain, with_segment(b"\xff\xfe", tiny), with_segment(b"\xff\xed", plain[:600])):
        assert images._size_of_plain_jpeg(data) == (30, 80)
        assert np.array_equal(decode_image(data, (32, 100)), decode_image(plain, (32, 100)))
    for data in (
        with_segment(b"\xff\xe1", b"Exif\0\0" + bytes(20)),
        picture((30, 20), mode="CMYK"),
        picture((30, 20), form="PNG"),
        plain[:2] + b"\xff\xff" + plain[2:],
    ):
        assert images._size_of_plain_jpeg(data) is None
    assert images._decode_plain_jpeg(plain[:5], (32, 100)) is None
    claimed = plain.replace(plain[plain.index(b"\xff\xc0") :][:9], b"\xff\xc0\x00\x11\x08\xff\xdc\xff\xdc")
    assert images._size_of_plain_jpeg(claimed) is None and decode_image(claimed, (32, 100)) is None


def test_enlarging_is_pillow_s(picture) -> None:
    small = Image.open(io.BytesIO(jpeg((61, 23))))
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
    for data in (jpeg((50, 20)), picture((50, 20), shade=9, form="PNG")):
        batch = np.full((3, 32, 100, 3), 77, np.uint8)
        assert np.shares_memory(decode_image(data, (32, 100), batch[1]), batch)
        assert np.array_equal(batch[1], decode_image(data, (32, 100)))
        assert (batch[[0, 2]] == 77).all()


def test_damaged_jpegs_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = jpeg((80, 30))
    assert images._decode_plain_jpeg(whole[:-200], (32, 100)) is None
    assert decode_image(whole[:-200], (32, 100)) is None
    assert decode_image(whole + b"\0" * 9, (32, 100)) is not None  # rubbish behind the end is none
    monkeypatch.setattr(images, "_decode_plain_jpeg", lambda *_: None)
    assert np.array_equal(
        decode_image(whole, (32, 100)), images.resize(np.asarray(Image.open(io.BytesIO(whole))), (32, 100))
    )
