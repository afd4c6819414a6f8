"""Images of any shape in a net's size: stretched or filled up, turned or as they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from autostr_nni.data.decoding.images import FILL, Fitting, decode_image, fit, resize

PAD, ROTATE = Fitting(pad=True), Fitting(rotate=True)


def picture(rows: int, columns: int) -> np.ndarray:
    """uint8 [rows, columns, 3]: soft, and of no two sides alike."""
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    return np.asarray(Image.fromarray(values).resize((columns, rows), Image.Resampling.BICUBIC))


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, quality=95)
    return buffer.getvalue()


def test_padding_keeps_the_aspect() -> None:
    found = fit(picture(16, 24), (32, 100), None, PAD)
    assert found.shape == (32, 100, 3) and (found[:, 48:] == FILL).all()
    assert np.array_equal(found[:, :48], resize(picture(16, 24), (32, 48)))
    given = np.zeros((32, 100, 3), np.uint8)
    assert fit(picture(16, 24), (32, 100), given, PAD) is given and np.array_equal(given, found)
    for wide in (picture(16, 50), picture(10, 90)):  # nothing is left to fill
        assert np.array_equal(fit(wide, (32, 100), None, PAD), resize(wide, (32, 100)))
    thin = fit(picture(500, 2), (32, 100), None, PAD)
    assert (thin[:, 1:] == FILL).all()


def test_tall_words_are_turned() -> None:
    tall, square = picture(60, 40), picture(59, 40)
    assert np.array_equal(fit(tall, (32, 100), None, ROTATE), resize(np.rot90(tall).copy(), (32, 100)))
    assert np.array_equal(fit(square, (32, 100), None, ROTATE), resize(square, (32, 100)))
    both = fit(picture(60, 20), (32, 100), None, Fitting(True, True))
    assert np.array_equal(both[:, :96], resize(np.rot90(picture(60, 20)).copy(), (32, 96)))
    assert (both[:, 96:] == FILL).all()


@pytest.mark.parametrize("fitting", [Fitting(), PAD, ROTATE, Fitting(True, True)])
@pytest.mark.parametrize("size", [(700, 1500), (1500, 700), (40, 900), (900, 40)])
def test_large_jpegs_are_not_made_too_small(size: tuple[int, int], fitting: Fitting) -> None:
    """Their decoder may shrink them on the way, and the same picture comes out."""
    pixels = picture(*size)
    found = decode_image(encoded(pixels, "JPEG"), (32, 100), None, fitting)
    assert found is not None
    expected = fit(pixels, (32, 100), None, fitting)
    assert np.abs(found.astype(int) - expected).mean() < 5
