"""One word as a picture."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from autostr_nni.data.synth.camera import photograph
from autostr_nni.data.synth.colours import colour_pair, luminance
from autostr_nni.data.synth.fonts import Face
from autostr_nni.data.synth.geometry import WIDEST, place_letters
from autostr_nni.data.synth.grounds import draw_ground
from autostr_nni.data.synth.letters import choose_face, draw_letters
from autostr_nni.data.synth.style import STYLES, Style
from autostr_nni.system.errors import InputError

_OTHERS = (
    "the",
    "Open",
    "SALE",
    "and",
    "24",
    "Street",
    "CAFE",
    "No",
    "of",
    "new",
    "BANK",
    "Road",
    "is",
    "12",
)


def render_word(
    text: str,
    rng: random.Random,
    fonts: Sequence[Face],
    style: Style | str = "scene",
    height: int = 40,
    photos: tuple[str, ...] = (),
    widest: float = WIDEST,
) -> Image.Image:
    """Render a text as a crop of a photograph: RGB, about ``height`` pixels high, as wide as it comes.

    Wider ones than ``widest`` heights are squeezed. Words of low resolution are lower, bent and steep ones up
    to twice as high.

    All chance comes from ``rng``. ``InputError`` if no font draws all characters.
    """
    style = STYLES[style] if isinstance(style, str) else style
    faces = fonts if isinstance(fonts, tuple) else tuple(fonts)
    noise = np.random.Generator(np.random.SFC64(rng.getrandbits(64)))
    face = choose_face(text, faces, rng)
    if face is None:
        raise InputError(f"no font draws all characters of '{text}': give a folder of fonts that do")
    colours = colour_pair(rng, style)
    others: list[str] = []
    if rng.random() < style.neighbours:
        drawable = [word for word in _OTHERS if set(word) <= face.characters]
        drawable = [word for word in drawable if not face.capitals_only or word.isupper()]
        others = rng.sample(drawable, min(len(drawable), rng.randint(1, 2)))
    letters = draw_letters(text, face, height * 0.85, colours, rng, style, others)
    placed = place_letters(letters, height, rng, style, widest)
    layer = np.frombuffer(placed.tobytes(), dtype=np.uint8).reshape(placed.height, placed.width, 4)
    between = abs(luminance(colours[0]) - luminance(colours[1]))
    spread = between * math.sqrt(rng.random()) * 0.6
    ground = draw_ground(placed.size, colours[1], spread, rng, noise, style, photos)
    over = layer[..., 3:].astype(np.float32) * (1 / 255)
    picture = ground * (1 - over) + layer[..., :3]
    return photograph(picture, height, rng, noise, style)
