"""Faces to render words with: found on the system, checked glyph by glyph."""

from __future__ import annotations

import hashlib
import math
import os
import string
import sysconfig
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from autostr_nni.search_spaces.errors import InputError

SYSTEM_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
)
_SUFFIXES = {".ttf", ".otf", ".ttc"}
_PRINTABLE = string.digits + string.ascii_letters + string.punctuation
#: Letters whose two cases look unlike, to find faces that draw capitals for small letters.
_TELLING = "abdeghnqrt"
#: Least mean likeness to the reference's letters and digits; symbol faces lie below, script faces above.
_LIKENESS = 0.45
#: The same for each punctuation mark, which varies more: keeps out faces with another encoding.
_SIGN_LIKENESS = 0.3
_GRID = 16


@dataclass(frozen=True)
class Face:
    """A font file that draws at least all digits and letters."""

    path: str
    index: int
    family: str
    characters: frozenset[str]
    capitals_only: bool  #: small letters are drawn as capitals
    weight: float = 1.0  #: how often to use it: members of a large family less


@lru_cache(maxsize=512)
def sized(path: str, index: int, size: int) -> ImageFont.FreeTypeFont:
    """A face opened at a size in pixels."""
    return ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.BASIC)


def find_faces(folders: Iterable[str | os.PathLike[str]] = (), system: bool = True) -> list[Face]:
    """All usable faces of the system, of matplotlib, of installed ``font-*`` packages and of ``folders``.

    Sorted by name and content, without duplicates. ``InputError`` if a folder lacks fonts or none is usable.
    """
    roots = [Path(place).expanduser() for place in SYSTEM_FOLDERS] + _package_folders() if system else []
    files: dict[str, Path] = {}
    for root in roots:
        files.update(_font_files(root))
    for folder in folders:
        own = _font_files(Path(folder).expanduser())
        if not own:
            raise InputError(f"no font (.ttf, .otf, .ttc) in {folder}: name a folder of fonts")
        files.update(own)
    ordered = sorted(files.items(), key=lambda item: (item[1].name, item[0]))
    faces = [face for _, path in ordered for face in _faces_of(str(path))]
    if not faces:
        raise InputError(
            "no usable font found: install fonts (for instance fonts-liberation) or give --fonts"
        )
    sizes = Counter(face.family for face in faces)
    return [
        Face(f.path, f.index, f.family, f.characters, f.capitals_only, 1 / math.sqrt(sizes[f.family]))
        for f in faces
    ]


def _package_folders() -> list[Path]:
    packages = Path(sysconfig.get_paths()["purelib"])
    found = [packages / "matplotlib" / "mpl-data" / "fonts" / "ttf"]
    return found + sorted(packages.glob("font_*"))


def _font_files(root: Path) -> dict[str, Path]:
    """Font files under a folder by digest of their content."""
    found = {}
    for folder, inner, names in os.walk(root, followlinks=False):
        inner.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in _SUFFIXES:
                try:
                    found[hashlib.sha1(path.read_bytes()).hexdigest()] = path
                except OSError:
                    continue
    return found


def _faces_of(path: str) -> list[Face]:
    faces = []
    for index in range(8 if path.lower().endswith(".ttc") else 1):
        try:
            face = _checked(path, index)
        except Exception:  # FreeType raises several kinds on damaged and on bitmap-only files
            break
        if face is not None:
            faces.append(face)
    return faces


def _checked(path: str, index: int) -> Face | None:
    font = sized(path, index, 32)
    family = (font.getname()[0] or Path(path).stem).strip()
    absent = {_picture(font, character) for character in ("\uffff", "\U0010fffe", "\ue83a")}
    shapes: dict[str, np.ndarray] = {}
    for character in _PRINTABLE:
        picture = _picture(font, character)
        if picture is not None and picture not in absent:
            shapes[character] = _normal(picture)
    needed = string.digits + string.ascii_letters
    if any(character not in shapes for character in needed):
        return None
    likeness = {c: _like(shapes[c], c) for c in needed}
    as_capitals = {c: _like(shapes[c], c.upper()) for c in string.ascii_lowercase}
    capitals = sum(as_capitals[c] - likeness[c] for c in _TELLING) / len(_TELLING) > 0.1
    values = [max(likeness[c], as_capitals.get(c, 0.0)) if capitals else likeness[c] for c in needed]
    if sum(values) / len(values) < _LIKENESS:
        return None
    drawn = {c for c in shapes if c in likeness or _like(shapes[c], c) > _SIGN_LIKENESS}
    return Face(path, index, family, frozenset(drawn), capitals)


def _picture(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes] | None:
    """Size and pixels of a glyph; None if it is blank."""
    mask = font.getmask(character, "L")
    if not mask.size[0] or not mask.size[1] or mask.getbbox() is None:
        return None
    return mask.size, bytes(mask)


def _normal(picture: tuple[tuple[int, int], bytes]) -> np.ndarray:
    """A glyph's ink stretched to a small square, mean 0, norm 1."""
    image = Image.frombytes("L", *picture)
    small = image.crop(image.getbbox()).resize((_GRID, _GRID), Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32).ravel()
    values = values - 0.9 * values.mean()  # a full block, such as a dash, keeps a direction
    return values / max(float(np.linalg.norm(values)), 1e-6)


def _like(shape: np.ndarray, character: str) -> float:
    return max(float(shape @ reference[character]) for reference in _references())


@lru_cache(maxsize=1)
def _references() -> list[dict[str, np.ndarray]]:
    """Glyphs of faces whose letters are known to be letters: matplotlib brings them everywhere."""
    folder = _package_folders()[0]
    references = []
    for name in ("DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "STIXGeneralBolIta.ttf"):
        font = sized(str(folder / name), 0, 32)
        pictures = {c: _picture(font, c) for c in _PRINTABLE}
        references.append({c: _normal(p) for c, p in pictures.items() if p is not None})
    return references
