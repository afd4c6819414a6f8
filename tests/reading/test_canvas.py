"""Text on sheets: in a font that has its characters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw

from autostr_nni.data.synth.glyphs import matplotlib_fonts
from autostr_nni.reading.pictures import canvas
from autostr_nni.reading.pictures.canvas import save
from autostr_nni.system.errors import InputError

STOP, LACKING = "停", "禁"


@pytest.fixture
def chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A font of the system that has one Chinese character, drawn as an A, beside a damaged one."""
    font = TTFont(matplotlib_fonts() / "DejaVuSansMono.ttf")
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap[ord(STOP)] = table.cmap[ord("A")]
    font.save(tmp_path / "chinese.ttf")
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    files = [str(tmp_path / name) for name in ("damaged.ttf", "chinese.ttf")]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: files)
    canvas._file_with.cache_clear()
    yield tmp_path / "chinese.ttf"
    canvas._file_with.cache_clear()


def test_characters_that_dejavu_lacks(chinese: Path) -> None:
    assert canvas.font(f"{STOP} a", 15).path == str(chinese)
    assert canvas.font("stop é д", 15).path.endswith("DejaVuSans.ttf")
    assert canvas.font("stop", 15, bold=True).path.endswith("DejaVuSans-Bold.ttf")
    assert canvas.font(LACKING, 15).path.endswith("DejaVuSans.ttf")  # nobody has it


def test_they_are_drawn(chinese: Path) -> None:
    drawn = []
    for text in (STOP, LACKING):
        sheet = Image.new("L", (40, 30), "white")
        canvas.write(ImageDraw.Draw(sheet), (2, 24), text, size=20)
        drawn.append(sheet.tobytes())
    assert drawn[0] != drawn[1]


def test_a_picture_beyond_its_format_leaves_what_was_there(tmp_path: Path) -> None:
    """WebP ends at 16 383 pixels."""
    path = tmp_path / "sheet.webp"
    path.write_text("old")
    with pytest.raises(InputError, match=r"sheet\.webp cannot be written \(.*\): write a \.png"):
        save(Image.new("RGB", (8, 20_000)), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
