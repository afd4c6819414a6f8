"""Whether a font file draws letters: each glyph is looked at, since a character map may lie."""

from __future__ import annotations

import string
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFont

_NEEDED = string.digits + string.ascii_letters
#: Letters whose two cases look unlike, to find faces that draw capitals for small letters.
_TELLING = "abdeghnqrt"
#: Least mean likeness to the reference; symbol faces lie below, script faces above.
_LIKENESS = 0.43
#: Of the 62 letters and digits at most so many may be unlike: more, and it is Greek or signs.
_UNLIKE, _MOST_UNLIKE = 0.25, 14
#: The same for each punctuation mark, which varies more: keeps out faces with another encoding.
_SIGN_LIKENESS = 0.3
_GRID = 16
_SIZE = 32
#: Change it when a check changes, so that no old verdict is taken for a new one.
VERSION = 4

Picture = tuple[tuple[int, int], bytes]


def matplotlib_fonts() -> Path:
    """The folder of faces that come with matplotlib."""
    return Path(sysconfig.get_paths()["purelib"]) / "matplotlib" / "mpl-data" / "fonts" / "ttf"


def check_file(path: str) -> list[dict[str, Any]]:
    """Usable faces of a font file: index, family, characters, capitals_only. Empty for damaged files."""
    faces = []
    for index in range(8 if path.lower().endswith((".ttc", ".otc")) else 1):
        try:
            face = _check(path, index)
        except Exception:  # FreeType raises several kinds on damaged and on bitmap-only files
            break
        if face is not None:
            faces.append(face)
    return faces


def _check(path: str, index: int) -> dict[str, Any] | None:
    font = ImageFont.truetype(path, _SIZE, index=index, layout_engine=ImageFont.Layout.BASIC)
    absent = {_picture(font, character) for character in ("\uffff", "\U0010fffe", "\ue83a")}
    pictures: dict[str, Picture] = {}
    for character in _NEEDED + string.punctuation:
        picture = _picture(font, character)
        if picture is not None and picture not in absent:
            pictures[character] = picture
        elif character in _NEEDED:
            return None
    if len({pictures[c] for c in _NEEDED}) < 30:  # all boxes of one kind, or one picture for many
        return None
    shapes = {c: _normal(pictures[c]) for c in _NEEDED}
    likeness = {c: _like(shape, c) for c, shape in shapes.items()}
    as_capitals = {c: _like(shapes[c], c.upper()) for c in string.ascii_lowercase}
    if sum(_like(shapes[c.upper()], c) > likeness[c.upper()] + 0.1 for c in _TELLING) > 2:
        return None  # small letters for capitals: no label would be true
    capitals = sum(as_capitals[c] > likeness[c] + 0.1 for c in _TELLING) > 3
    if capitals:
        likeness.update(as_capitals)
    unlike = sum(value < _UNLIKE for value in likeness.values())
    if unlike > _MOST_UNLIKE or sum(likeness.values()) / len(likeness) < _LIKENESS:
        return None
    signs = [c for c in string.punctuation if c in pictures]
    drawn = [c for c in signs if _like(_normal(pictures[c]), c) > _SIGN_LIKENESS]
    family = (font.getname()[0] or Path(path).stem).strip()
    return {
        "index": index,
        "family": family,
        "characters": _NEEDED + "".join(drawn),
        "capitals_only": capitals,
    }


def _picture(font: ImageFont.FreeTypeFont, character: str) -> Picture | None:
    """Size and pixels of a glyph; None if it is blank."""
    mask = font.getmask(character, "L")
    if not mask.size[0] or not mask.size[1] or mask.getbbox() is None:
        return None
    return mask.size, bytes(mask)


def _normal(picture: Picture) -> np.ndarray:
    """A glyph's ink stretched to a small square, its mean nearly 0, its norm 1."""
    image = Image.frombytes("L", *picture)
    small = image.resize((_GRID, _GRID), Image.Resampling.BOX, box=image.getbbox())
    values = np.asarray(small, dtype=np.float32).flatten()
    values -= 0.9 * float(values.mean())  # a full block, such as a dash, keeps a direction
    values /= max(float(np.sqrt(values @ values)), 1e-6)
    return values


def _like(shape: np.ndarray, character: str) -> float:
    return float((_references()[character] @ shape).max())


@lru_cache(maxsize=1)
def _references() -> dict[str, np.ndarray]:
    """Glyphs [faces, pixels] of faces whose letters are known to be letters: matplotlib brings them."""
    names = ("DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "STIXGeneralBolIta.ttf")
    fonts = [ImageFont.truetype(str(matplotlib_fonts() / name), _SIZE) for name in names]
    references = {}
    for character in _NEEDED + string.punctuation:
        pictures = [_picture(font, character) for font in fonts]
        references[character] = np.stack([_normal(picture) for picture in pictures if picture is not None])
    return references
