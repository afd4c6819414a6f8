"""Reading of image files with a trained recognizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from autostr_nni.data.charset import Charset
from autostr_nni.data.decoding.images import (
    UNDECODABLE,
    decode_image,
    fitting_of,
    read_image,
    why_undecodable,
)
from autostr_nni.data.decoding.modes import is_one_colour
from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.models.recognizer import input_size
from autostr_nni.reading.checkpoint import Trained
from autostr_nni.recipe import ModelSection, Recipe
from autostr_nni.system.errors import InputError
from autostr_nni.system.threads import default_threads, within_cores

TextAndConfidence = tuple[str, float]


def read_files(
    trained: Trained,
    files: Sequence[Path],
    batch_size: int = 64,
    beam: int = 1,
    warn: Callable[[Path], None] = lambda file: None,
) -> Iterator[tuple[Path, TextAndConfidence | None]]:
    """(file, (text, confidence)) in the order given; None for a file that is no readable image.

    ``warn`` is called with files whose picture is of one colour.
    """
    charset = Charset.named(trained.recipe.data.charset)
    recognizer = folded(trained.recognizer)
    device = recognizer.device
    for start in range(0, len(files), batch_size):
        part = files[start : start + batch_size]
        pixels = [load_pixels(file, trained.recipe.model) for file in part]
        good = [p for p in pixels if p is not None]
        found: Iterator[TextAndConfidence] = iter(())
        if good:
            images = torch.from_numpy(np.stack(good)).permute(0, 3, 1, 2).to(device)
            reading = recognizer.read(images, trained.longest, beam)
            texts = [charset.decode(ids) for ids in reading.ids.tolist()]
            found = iter(list(zip(texts, reading.confidence.tolist(), strict=True)))
        for file, p in zip(part, pixels, strict=True):
            if p is not None and _shows_nothing(p, file, trained.recipe.model):
                warn(file)
            yield file, None if p is None else next(found)


def check_beam(trained: Trained, beam: int) -> None:
    """Raise InputError where a beam is asked of a net that has none."""
    if beam > 1 and trained.recipe.model.translator.kind == "ctc":
        raise InputError("--beam: this net tells its words by ctc, which is read greedily; leave --beam out")


def use_threads(recipe: Recipe) -> None:
    """Read on as many CPU threads as the recipe trains with."""
    threads = recipe.training.threads
    torch.set_num_threads(within_cores(threads, "training.threads") if threads else default_threads())


def _shows_nothing(pixels: np.ndarray, file: Path, model: ModelSection) -> bool:
    """Whether a file's picture is of one colour, without what `model.resize: pad` fills up beside it."""
    if not is_one_colour(pixels[:, :1]):  # a column of the picture in any fitting, and seldom of one colour
        return False
    plain = decode_image(read_image(file), input_size(model)) if fitting_of(model).pad else pixels
    return plain is not None and is_one_colour(plain)


def why_unread(file: Path) -> str:
    """Why a file is no readable image, in a few words."""
    try:
        cause = why_undecodable(read_image(file))
    except (OSError, ValueError) as error:
        return f"cannot be read ({(getattr(error, 'strerror', None) or str(error)).lower()})"
    if cause == UNDECODABLE:
        return "not an image that can be decoded"
    return f"an image {cause}, which no crop of a word has"


def load_pixels(file: Path, model: ModelSection) -> np.ndarray | None:
    """A file's picture as a net reads it, uint8 ``[height, width, 3]``; None if it is no readable image."""
    try:
        data = read_image(file)
    except (OSError, ValueError):
        return None
    return decode_image(data, input_size(model), None, fitting_of(model))
