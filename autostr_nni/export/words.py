"""Images of words to check an exported file with: of a set, or rendered."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import numpy as np

from autostr_nni.data.charset import Charset
from autostr_nni.data.decoding.images import decode_image, fitting_of
from autostr_nni.models.recognizer import input_size
from autostr_nni.recipe import Recipe
from autostr_nni.system.errors import InputError

_HEIGHT = 40  # pixels of the tallest rendered word
_ATTEMPTS = 50


def words_of_set(recipe: Recipe, folder: Path, count: int) -> np.ndarray:
    """The first ``count`` usable images at or under ``folder``: uint8 ``[N, 3, h, w]``."""
    from autostr_nni.reading.evaluation import open_set

    found: list[np.ndarray] = []
    with closing(open_set(recipe, [folder])) as dataset:
        for index in range(len(dataset)):
            sample = dataset[index]
            if sample is not None:
                found.append(sample[0].numpy())
            if len(found) == count:
                break
    if not found:
        raise InputError(f"{folder}: none of its images can be decoded; give another set")
    return np.stack(found)


def rendered_words(recipe: Recipe, count: int, seed: int = 0) -> np.ndarray:
    """``count`` rendered words of random characters of the charset: uint8 ``[N, 3, h, w]``.

    Raises:
        InputError: no font here draws the characters.
    """
    from autostr_nni.data.synth.camera import encode
    from autostr_nni.data.synth.fonts import find_faces
    from autostr_nni.data.synth.letters import can_draw
    from autostr_nni.data.synth.render import render_word
    from autostr_nni.data.synth.scripts import needs_shaping
    from autostr_nni.data.synth.style import STYLES

    charset = Charset.named(recipe.data.charset)
    wanted = "".join(c for c in charset.characters if not needs_shaping(c))
    faces = tuple(find_faces((), wanted=wanted))
    rng = random.Random(seed)
    longest = min(recipe.data.max_length, 12)
    found: list[np.ndarray] = []
    misses = 0
    while len(found) < count:
        text = "".join(rng.choices(charset.characters, k=rng.randint(1, longest)))
        pixels = None
        if can_draw(text, faces):
            image = render_word(text, rng, faces, "scene", _HEIGHT, ())
            data, fitting = encode(image, rng, STYLES["scene"]), fitting_of(recipe.model)
            pixels = decode_image(data, input_size(recipe.model), None, fitting)
        if pixels is None:
            misses += 1
            if misses > _ATTEMPTS + len(found):
                raise InputError("no font here draws the charset's characters: give real words with --check")
            continue
        found.append(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    return np.stack(found)
