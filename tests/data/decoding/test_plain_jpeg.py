"""Plain JPEGs have Pillow's pixels, and nothing else is taken for one."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from autostr_nni.data.decoding import images
from autostr_nni.data.decoding.images import MAX_PIXELS, decode_image
from autostr_nni.data.decoding.plain_jpeg import decode_plain_jpeg, plain_jpeg_size


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
    fast = decode_plain_jpeg(data, (32, 100), MAX_PIXELS)
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
        assert np.array_equal(decode_plain_jpeg(data, (32, 100), MAX_PIXELS), np.asarray(picture))


def test_only_plain_jpegs_are_taken_for_such(picture) -> None:
    """The header is followed from segment to segment: what lies inside one is not taken for a frame."""
    plain = jpeg((80, 30))
    tiny = b"\xff\xc0\x00\x11\x08\x00\x02\x00\x02\x03"

    def with_segment(marker: bytes, content: bytes) -> bytes:
        return plain[:2] + marker + (len(content) + 2).to_bytes(2, "big") + content + plain[2:]

    for data in (plain, with_segment(b"\xff\xfe", tiny), with_segment(b"\xff\xed", plain[:600])):
        assert plain_jpeg_size(data) == (30, 80)
        assert np.array_equal(decode_image(data, (32, 100)), decode_image(plain, (32, 100)))
    for data in (
        with_segment(b"\xff\xe1", b"Exif\0\0" + bytes(20)),
        picture((30, 20), mode="CMYK"),
        picture((30, 20), form="PNG"),
        plain[:2] + b"\xff\xff" + plain[2:],
    ):
        assert plain_jpeg_size(data) is None
    assert decode_plain_jpeg(plain[:5], (32, 100), MAX_PIXELS) is None
    claimed = plain.replace(plain[plain.index(b"\xff\xc0") :][:9], b"\xff\xc0\x00\x11\x08\xff\xdc\xff\xdc")
    assert plain_jpeg_size(claimed) == (0xFFDC, 0xFFDC)
    assert (
        decode_plain_jpeg(claimed, (32, 100), MAX_PIXELS) is None and decode_image(claimed, (32, 100)) is None
    )


@pytest.mark.parametrize("comment", [b"", b"\xff\xfe\0\x04hi"], ids=["usual start", "with a comment"])
def test_too_many_pixels_are_not_decoded(comment: bytes) -> None:
    plain = jpeg((80, 30))
    data = plain[:2] + comment + plain[2:]
    assert decode_plain_jpeg(data, (32, 100), 80 * 30) is not None
    assert decode_plain_jpeg(data, (32, 100), 80 * 30 - 1) is None


def test_damaged_jpegs_are_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = jpeg((80, 30))
    assert decode_plain_jpeg(whole[:-200], (32, 100), MAX_PIXELS) is None
    assert decode_image(whole[:-200], (32, 100)) is None
    assert decode_image(whole + b"\0" * 9, (32, 100)) is not None  # rubbish behind the end is none
    monkeypatch.setattr(images, "decode_plain_jpeg", lambda *_: None)
    assert np.array_equal(
        decode_image(whole, (32, 100)), images.resize(np.asarray(Image.open(io.BytesIO(whole))), (32, 100))
    )
