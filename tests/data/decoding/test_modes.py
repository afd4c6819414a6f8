"""Letters stay visible whatever mode a picture comes in."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from autostr_nni.data.decoding.images import decode_image, open_image, resize
from autostr_nni.data.decoding.modes import is_one_colour, to_rgb

SIZE = (100, 32)
LETTERS = Image.new("L", SIZE)
ImageDraw.Draw(LETTERS).rectangle((20, 8, 35, 24), fill=255)
ImageDraw.Draw(LETTERS).rectangle((60, 8, 70, 24), fill=255)
INK = np.asarray(LETTERS) > 0


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def grey(ink: float, ground: float, kind: type, form: str = "PNG") -> bytes:
    return encoded(Image.fromarray(np.where(INK, ink, ground).astype(kind)), form)


def see_through(mode: str, ink: tuple[int, ...], alpha: np.ndarray, form: str = "PNG") -> bytes:
    """One colour everywhere, and letters in the opacity alone."""
    picture = Image.new("RGB", SIZE, ink).convert(mode[0] if mode == "LA" else "RGB")
    picture.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    return encoded(picture, form)


def palette(**options: object) -> bytes:
    image = Image.fromarray(INK.astype(np.uint8))
    image.putpalette([255] * 6)  # white letters on see-through white
    return encoded(image, **options)


def deep(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels.astype(np.uint16))[1].tobytes()


def hot(values: np.ndarray, value: float) -> np.ndarray:
    values[0, 0] = value
    return values


WHITE, BLACK, MIDDLE = (255,) * 3, (0,) * 3, (128,) * 3
OPAQUE = INK * 255
PICTURES: dict[str, Callable[[], bytes]] = {
    "16 bits that use 8": lambda: grey(220, 25, np.uint16),
    "16 bits that use 12": lambda: grey(300, 3900, np.uint16, "TIFF"),
    "16 bits": lambda: grey(60_000, 9_000, np.uint16),
    "16 bits and a hot pixel": lambda: encoded(
        Image.fromarray(hot(np.where(INK, 220, 25).astype(np.uint16), 65_535))
    ),
    "32 bits that use 8": lambda: grey(220, 25, np.int32, "TIFF"),
    "negative": lambda: grey(-900, -100, np.int32, "TIFF"),
    "float to 1": lambda: grey(0.9, 0.1, np.float32, "TIFF"),
    "float to 255": lambda: grey(200, 10, np.float32, "TIFF"),
    "float with nothing": lambda: encoded(
        Image.fromarray(hot(np.where(INK, 0.9, 0.1).astype(np.float32), np.nan)), "TIFF"
    ),
    "float without end": lambda: encoded(
        Image.fromarray(hot(np.where(INK, 0.9, 0.1).astype(np.float32), np.inf)), "TIFF"
    ),
    "portable float": lambda: grey(0.9, 0.1, np.float32, "PPM"),
    "JPEG 2000 of 16 bits": lambda: grey(220, 25, np.uint16, "JPEG2000"),
    "white, see-through": lambda: see_through("RGBA", WHITE, OPAQUE),
    "black, see-through": lambda: see_through("RGBA", BLACK, OPAQUE),
    "middle, see-through": lambda: see_through("RGBA", MIDDLE, OPAQUE),
    "yellow, see-through": lambda: see_through("RGBA", (250, 240, 40), OPAQUE),
    "white holes": lambda: see_through("RGBA", WHITE, 255 - OPAQUE),
    "black holes": lambda: see_through("RGBA", BLACK, 255 - OPAQUE),
    "white, see-through WebP": lambda: see_through("RGBA", WHITE, OPAQUE, "WEBP"),
    "white, see-through TIFF": lambda: see_through("RGBA", WHITE, OPAQUE, "TIFF"),
    "white, see-through grey": lambda: see_through("LA", WHITE, OPAQUE),
    "white, see-through palette": lambda: palette(transparency=0),
    "white, see-through GIF": lambda: palette(form="GIF", transparency=0),
    "opacity of nought": lambda: encoded(
        Image.fromarray(np.dstack([np.where(INK, 20, 230).astype(np.uint8)] * 3 + [0 * OPAQUE.astype("u1")]))
    ),
    "a colour that is see-through": lambda: encoded(
        Image.fromarray(np.where(INK, 255, 250).astype(np.uint8)), transparency=250
    ),
    "deep colours that use 8 bits": lambda: deep(np.where(INK[..., None], (220, 190, 25), (25, 30, 20))),
    "deep TIFF": lambda: deep(np.where(INK[..., None], (220, 190, 25), (25, 30, 20)), ".tiff"),
    "deep PPM": lambda: deep(np.where(INK[..., None], (220, 190, 25), (25, 30, 20)), ".ppm"),
    "deep and see-through": lambda: deep(np.where(INK[..., None], (200,) * 3 + (65_535,), (200,) * 3 + (0,))),
    "two colours": lambda: encoded(Image.fromarray(INK)),
    "lightness": lambda: encoded(
        Image.fromarray(np.where(INK, 20, 230).astype("u1")).convert("RGB").convert("LAB"), "TIFF"
    ),
    "four inks": lambda: encoded(
        Image.fromarray(np.where(INK, 20, 230).astype("u1")).convert("CMYK"), "JPEG"
    ),
    "luma and chroma": lambda: encoded(
        Image.fromarray(np.where(INK, 20, 230).astype("u1")).convert("RGB").convert("YCbCr"), "TIFF"
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_letters_stay(name: str) -> None:
    pixels = decode_image(PICTURES[name](), (32, 100))
    assert pixels is not None and not is_one_colour(pixels)
    inside, outside = pixels[INK].mean(axis=0), pixels[~INK].mean(axis=0)
    assert np.abs(inside - outside).max() > 100, (inside, outside)


def test_half_white_half_black_letters_are_both_seen() -> None:
    pixels = np.dstack([np.zeros((32, 100, 3)), OPAQUE]).astype(np.uint8)
    pixels[:, 50:, :3] = 255
    decoded = decode_image(encoded(Image.fromarray(pixels)), (32, 100))
    assert decoded is not None
    ground = decoded[0, 0].astype(int)
    for left in (25, 65):
        assert np.abs(decoded[16, left] - ground).min() > 100


def test_deep_grey_is_stretched_evenly() -> None:
    ramp = np.tile(np.arange(0, 3200, 32, dtype=np.uint16), (32, 1))
    decoded = decode_image(encoded(Image.fromarray(ramp)), (32, 100))
    assert decoded is not None
    assert np.abs(decoded[0, :, 0] - np.linspace(0, 255, 100)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_ordinary_pictures_are_as_they_were(picture, mode: str) -> None:
    data = picture((90, 30), mode=mode, form="PNG")
    plain = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(decode_image(data, (32, 100)), resize(plain, (32, 100)))


def test_one_colour(picture) -> None:
    def judged(data: bytes) -> bool:
        opened = open_image(data)
        assert opened is not None
        return is_one_colour(np.asarray(to_rgb(opened)))

    assert judged(picture(shade=9)) and judged(picture(shade=200, mode="LA", form="PNG"))
    assert judged(grey(7, 7, np.uint16)) and judged(grey(0.5, 0.5, np.float32, "TIFF"))
    assert not judged(picture()) and not judged(grey(3, 7, np.uint16)) and not judged(grey(9, 5, np.uint8))
