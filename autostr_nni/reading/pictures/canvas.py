"""Text and word images on a white picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from autostr_nni.system.errors import InputError
from autostr_nni.system.files import check_new_file, whole_file

INK, FAINT, RIGHT, WRONG, LINE = "#1b1f24", "#667080", "#1a7f4b", "#b3261e", "#d5dae1"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

Picture = Image.Image


def font(text: str, size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings and which has most alphabets; else a font of the system's."""
    lacking = frozenset(text) - _characters(_dejavu(bold))
    return _opened(_dejavu(bold) if not lacking else _file_with(frozenset(text), bold), size)


@cache
def _opened(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def _dejavu(bold: bool) -> str:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name)


@cache
def _file_with(characters: frozenset[str], bold: bool) -> str:
    """The font file that has most of the characters, DejaVu Sans before others."""
    from matplotlib.font_manager import findSystemFonts

    files = [_dejavu(bold), *sorted(findSystemFonts())]
    return max(files, key=lambda file: len(characters & _characters(file)))


@cache
def _characters(file: str) -> frozenset[str]:
    """All that a font file has glyphs for; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (RuntimeError, OSError):
        return frozenset()


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    colour: str = INK,
    size: int = 14,
    width: float | None = None,
    anchor: str = "ls",
    bold: bool = False,
) -> float:
    """Write a line at its baseline, smaller where it is wider than ``width``; the width that it takes."""
    taken = font(text, size, bold).getlength(text)
    if width is not None:
        while taken > width and size > 8:
            size -= 1
            taken = font(text, size, bold).getlength(text)
        while taken > width and len(text) > 1:
            text = text[:-2] + "…"
            taken = font(text, size, bold).getlength(text)
    draw.text(place, text, fill=colour, font=font(text, size, bold), anchor=anchor)
    return taken


def fit(picture: Picture, width: int, height: int) -> Picture:
    """The picture as large as it fits, in its own proportions."""
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC)


def check_picture(path: Path) -> None:
    """Raise InputError if no picture can be written there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a picture's name ends in {', '.join(SUFFIXES)}")
    check_new_file(path)


def save(picture: Picture, path: Path) -> None:
    """Write a picture, whole or not at all. Raises InputError where that fails."""
    try:
        with whole_file(path) as temporary:
            picture.save(temporary)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    except ValueError as error:  # a format has its largest picture
        raise InputError(f"{path} cannot be written ({error}): write a .png, or show less") from None
