"""Whether a font file draws letters: each glyph is looked at, since a character map may lie."""

from __future__ import annotations

import string
import sysconfig
import unicodedata
from collections import Counter
from functools import cache, lru_cache
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


def check_file(path: str, extra: str = "") -> list[dict[str, Any]]:
    """Usable faces of a font file: index, family, characters, capitals_only. Empty for damaged files.

    ``extra`` are characters beyond ASCII to look for; a face that has some of them needs no Latin letters.
    """
    faces = []
    for index in range(8 if path.lower().endswith((".ttc", ".otc")) else 1):
        try:
            face = _check(path, index, extra)
        except Exception:  # FreeType raises several kinds on damaged and on bitmap-only files
            break
        if face is not None:
            faces.append(face)
    return faces


def _check(path: str, index: int, extra: str) -> dict[str, Any] | None:
    font = ImageFont.truetype(path, _SIZE, index=index, layout_engine=ImageFont.Layout.BASIC)
    latin = _pictures(font, _NEEDED)
    capitals: bool | None = False
    letters = _NEEDED
    if len(latin) == len(_NEEDED):
        capitals = _capitals_only(latin)
    else:
        likeness = {c: _like(_normal(picture), c) for c, picture in latin.items()}
        letters = "".join(c for c in latin if likeness[c] > _SIGN_LIKENESS)
        if latin and sum(likeness.values()) / len(latin) < _LIKENESS:
            capitals = None
    if capitals is None:
        return None
    signs = _pictures(font, string.punctuation)
    letters += "".join(c for c in signs if _like(_normal(signs[c]), c) > _SIGN_LIKENESS)
    others = _beyond_ascii(font, extra)
    if len(latin) < len(_NEEDED) and not others:
        return None
    family = (font.getname()[0] or Path(path).stem).strip()
    return {
        "index": index,
        "family": family,
        "characters": letters + others,
        "capitals_only": capitals,
    }


def _capitals_only(pictures: dict[str, Picture]) -> bool | None:
    """Whether a face draws capitals for small letters; None if its Latin letters and digits are none."""
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
    return capitals


def _beyond_ascii(font: ImageFont.FreeTypeFont, wanted: str) -> str:
    """Those of the wanted characters that a face draws: like a face known to, or each unlike all others.

    An accented letter that is drawn without its accent is not drawn. Nor are those of private use, which
    look as each face likes.
    """
    pictures = _pictures(font, "".join(c for c in wanted if unicodedata.category(c) != "Co"))
    times = Counter(pictures.values())
    drawn = []
    for character, picture in pictures.items():
        plain = unicodedata.normalize("NFD", character)[0]
        if plain != character and _picture(font, plain) == picture:
            continue
        known = len(_references(character)) > 0
        if _like(_normal(picture), character) > _SIGN_LIKENESS if known else times[picture] == 1:
            drawn.append(character)
    return "".join(drawn)


def _pictures(font: ImageFont.FreeTypeFont, characters: str) -> dict[str, Picture]:
    """Pictures of those characters that a face has."""
    absent = {_picture(font, character) for character in ("\uffff", "\U0010fffe", "\ue83a")}
    found = {character: _picture(font, character) for character in characters}
    return {c: picture for c, picture in found.items() if picture is not None and picture not in absent}


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
    return float((_references(character) @ shape).max())


@cache
def _references(character: str) -> np.ndarray:
    """Glyphs [faces, pixels] of faces whose letters are known to be letters: matplotlib brings them."""
    pictures = [_pictures(font, character).get(character) for font in _known_faces()]
    return np.array([_normal(picture) for picture in pictures if picture is not None])


@lru_cache(maxsize=1)
def _known_faces() -> list[ImageFont.FreeTypeFont]:
    names = ("DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "STIXGeneralBolIta.ttf")
    return [ImageFont.truetype(str(matplotlib_fonts() / name), _SIZE) for name in names]
