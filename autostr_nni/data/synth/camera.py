"""What light and camera do to a picture: uneven light, scratches, blur, low resolution, noise, JPEG."""

from __future__ import annotations

import io
import math
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from autostr_nni.data.synth.colours import LUMINANCE, any_colour
from autostr_nni.data.synth.style import Style


def light(picture: np.ndarray, rng: random.Random, style: Style) -> np.ndarray:
    """Brightness, contrast, colour of the light, ramps and spots, on float32 [height, width, 3]."""
    height, width = picture.shape[:2]
    if rng.random() < style.light:
        x = np.linspace(-1, 1, width, dtype=np.float32)
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        slope = rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.3, 0.3) * y
        picture = picture * (1 + slope)[..., None]
        if rng.random() < 0.15:  # a reflection
            reach = (x - rng.uniform(-1, 1)) ** 2 * (width / height) ** 2 + (y - rng.uniform(-1, 1)) ** 2
            spot = np.exp(-reach / rng.uniform(0.1, 1.0))[..., None]
            picture = picture + spot * rng.uniform(20, 90)
        if rng.random() < 0.3:  # the colour of the light
            tint = [rng.uniform(0.8, 1.1) for _ in range(3)]
            picture = picture * np.array(tint, dtype=np.float32)
        exposure = math.exp(rng.gauss(-0.1, 0.25))
        picture = picture * exposure + rng.gauss(0, 12)
        if rng.random() < 0.15:
            grey = (picture @ LUMINANCE)[..., None]
            picture = grey + (picture - grey) * rng.uniform(0.0, 0.8)
    return picture


def scratch(image: Image.Image, rng: random.Random) -> None:
    """Draw a few thin lines across, in place."""
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        ends = [(rng.uniform(-5, image.width + 5), rng.uniform(-5, image.height + 5)) for _ in range(2)]
        draw.line(ends, fill=tuple(int(value) for value in any_colour(rng)), width=1)


def photograph(
    picture: np.ndarray, height: int, rng: random.Random, noise: np.random.Generator, style: Style
) -> Image.Image:
    """Take a float32 picture [h, w, 3] to an RGB image, at times a smaller one.

    ``height`` is that of an ordinary word's picture: blur and resolution are measured against it.
    """
    picture = light(picture, rng, style)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if rng.random() < style.dirt:
        scratch(image, rng)
    small = rng.uniform(*style.small_range) / 40 if rng.random() < style.small else 1.0
    if rng.random() < style.blur:
        # Low resolution blurs by itself: a blurred small picture could not be read.
        radius = rng.uniform(*style.blur_range) * height / 32 * (0.5 if small < 1 else 1.0)
        image = image.filter(ImageFilter.GaussianBlur(radius))
    if rng.random() < style.motion:
        image = _moved(image, rng)
    if small < 1:
        size = (max(4, round(image.width * small)), max(4, round(image.height * small)))
        image = image.resize(size, rng.choice([Image.Resampling.BILINEAR, Image.Resampling.BOX]))
    low, high = style.noise
    amount = low + (high - low) * rng.random() ** 2
    if amount > 1:
        values = np.asarray(image, dtype=np.float32)
        # Sensors see one colour at each place: noise is mostly of brightness.
        shape = (*values.shape[:2], 1 if rng.random() < 0.5 else 3)
        values = values + noise.standard_normal(shape, dtype=np.float32) * amount
        image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return image


def _moved(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blur along a line, by a mean of shifted copies."""
    steps = rng.randint(2, max(2, image.height // 9))
    across, down = rng.choice([(1, 0), (1, 0), (0, 1), (1, 1), (1, -1)])
    if down:
        steps = max(2, steps // 2)
    values = np.asarray(image, dtype=np.float32)
    copies = [np.roll(values, (down * step, across * step), axis=(0, 1)) for step in range(steps)]
    return Image.fromarray(np.mean(copies, axis=0).astype(np.uint8))


def encode(image: Image.Image, rng: random.Random, style: Style) -> bytes:
    """JPEG bytes of a quality of the style."""
    low, high = style.quality
    buffer = io.BytesIO()
    # Strong compression is the exception.
    image.save(buffer, "JPEG", quality=round(low + (high - low) * rng.random() ** 0.5))
    return buffer.getvalue()
