"""Which files of a folder are taken: what can be decoded, by links too; the rest is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autostr_nni.data.decoding.image_files import find_images
from autostr_nni.data.synth.fonts import find_faces
from autostr_nni.data.synth.glyphs import matplotlib_fonts
from autostr_nni.data.synth.grounds import find_photos
from autostr_nni.system.errors import InputError


@pytest.fixture
def crops(tmp_path: Path, picture: Callable[..., bytes]) -> Path:
    """Pictures with all kinds of names, one behind a link, and files that are none."""
    folder, elsewhere = tmp_path / "crops", tmp_path / "elsewhere"
    (folder / "deep").mkdir(parents=True)
    elsewhere.mkdir()
    for name, form in {
        "a.png": "PNG", "b.JFIF": "JPEG", "c.avif": "AVIF", "d.jp2": "JPEG2000", "deep/e.ppm": "PPM",
        "noname": "PNG", "old.bak": "WEBP", "../elsewhere/f.jpg": "JPEG",
    }.items():  # fmt: skip
        (folder / name).write_bytes(picture((40, 24), form=form))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "._a.png").write_bytes(b"\0\5\x16\7of a Mac")
    (folder / "labels.tsv").write_text("a.png\tword\n")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "deep" / "round").symlink_to(folder)  # must not be gone round for ever
    return folder


def names(files: list[Path], folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in files]


def test_all_that_can_be_decoded_is_taken(crops: Path) -> None:
    found = find_images([str(crops)])
    assert names(found.files, crops) == [
        "a.png", "b.JFIF", "broken.png", "c.avif", "d.jp2", "deep/e.ppm", "linked/f.jpg", "noname", "old.bak",
    ]  # fmt: skip
    assert found.left_out == [f"{crops}: left out 2 files that are no picture (._a.png, labels.tsv)"]


def test_folders_of_a_pattern_are_searched(crops: Path) -> None:
    assert "deep/e.ppm" in names(find_images([str(crops / "dee*")]).files, crops)
    everything = names(find_images([str(crops / "**" / "*.p*")]).files, crops)
    assert len(everything) == len(set(everything))


def test_an_empty_name_is_not_the_current_folder(crops: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(crops)
    with pytest.raises(InputError, match="an empty name is given"):
        find_images([""])


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder is empty"):
        find_images([str(tmp_path / "empty")])
    (tmp_path / "empty" / "notes.txt").write_text("none")
    with pytest.raises(InputError, match=r"left out 1 file that is no picture \(notes.txt\)"):
        find_images([str(tmp_path / "empty")])
    with pytest.raises(InputError, match="no such image"):
        find_images([str(tmp_path / "gone.png")])


def test_backgrounds(crops: Path) -> None:
    told: list[str] = []
    photos = find_photos([crops], told.append)
    assert {"b.JFIF", "c.avif", "linked/f.jpg", "noname"} < {str(Path(p).relative_to(crops)) for p in photos}
    assert told == [f"{crops}: left out 2 files that are no picture (._a.png, labels.tsv)"]


def test_fonts(tmp_path: Path) -> None:
    source = matplotlib_fonts()
    (tmp_path / "fonts").mkdir()
    (tmp_path / "more").mkdir()
    shutil.copy(source / "DejaVuSans.ttf", tmp_path / "more" / "sans.ttf")
    shutil.copy(source / "DejaVuSerif.ttf", tmp_path / "fonts" / "serif.otc")
    (tmp_path / "fonts" / "broken.ttf").write_bytes(b"none")
    (tmp_path / "fonts" / "OFL.txt").write_text("licence")
    (tmp_path / "fonts" / "linked").symlink_to(tmp_path / "more")
    told: list[str] = []
    faces = find_faces([tmp_path / "fonts"], system=False, tell=told.append)
    assert [Path(face.path).name for face in faces] == ["sans.ttf", "serif.otc"]
    assert len(told) == 1
    assert (
        "left out 2 files that are no font that draws all digits and letters (OFL.txt, broken.ttf)" in told[0]
    )
