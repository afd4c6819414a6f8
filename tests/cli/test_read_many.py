"""`autostr read` of many images: alone and in batches, by pattern, and with pictures."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from autostr_nni.cli.main import main

Read = Callable[..., list[dict]]


@pytest.fixture(scope="module")
def checkpoint(trained: Path) -> str:
    return str(trained / "best.ckpt")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """200 images of all shades, with marks on them, of many sizes and kinds."""
    folder = tmp_path_factory.mktemp("many")
    rng = random.Random(7)
    files = []
    for number in range(200):
        size = rng.randrange(8, 120), rng.randrange(8, 60)
        image = Image.new("RGB", size, tuple(rng.choices(range(256), k=3)))
        corners = (rng.randrange(size[0]), 0, size[0], rng.randrange(1, size[1]))
        ImageDraw.Draw(image).rectangle(corners, fill=tuple(rng.choices(range(256), k=3)))
        path = folder / f"{number:03d}.{rng.choice(('png', 'jpg', 'webp'))}"
        image.save(path)
        files.append(str(path))
    return files


@pytest.fixture
def read(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> Read:
    def run(*argv: str, status: int = 0) -> list[dict]:
        capsys.readouterr()
        assert main(["read", checkpoint, "--json", *argv]) == status
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_alone_or_in_a_batch(read: Read, many: list[str]) -> None:
    together = read(*many, "--batch-size", "64")
    alone = read(*many, "--batch-size", "1")
    assert [row["image"] for row in together] == [row["image"] for row in alone] == many
    assert [row["text"] for row in together] == [row["text"] for row in alone]
    assert len({row["text"] for row in together}) > 1
    for one, other in zip(together, alone, strict=True):
        assert one["confidence"] == pytest.approx(other["confidence"], abs=1e-5)


def test_patterns(read: Read, many: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("b.png", "a.png", "deep/er/c.png", "a.jpeg", "x[1].png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.open(many[0]).save(tmp_path / place)
    names = [Path(row["image"]).name for row in read(str(tmp_path / "?.png"))]
    assert names == ["a.png", "b.png"]
    assert len(read(str(tmp_path / "**" / "*.png"))) == 4
    assert [Path(row["image"]).name for row in read(str(tmp_path / "x[1].png"))] == [
        "x[1].png"
    ]  # a file's name
    read(str(tmp_path / "*.tiff"), status=2)
    main(["read", "none.ckpt", str(tmp_path / "*.tiff")])
    assert "*.tiff: no file is of this pattern" in capsys.readouterr().err


def test_pictures(
    read: Read, many: list[str], tmp_path: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more").mkdir()
    shutil.copy(many[0], tmp_path / "more" / Path(many[0]).name)
    broken = tmp_path / "more" / "broken.png"
    broken.write_bytes(b"no image")
    shown = tmp_path / "new" / "shown"
    rows = read(many[0], many[1], str(tmp_path / "more"), "--show", str(shown), status=1)
    assert len(rows) == 3
    assert sorted(path.name for path in shown.iterdir()) == ["000-2.png", "000.png", "001.png"]
    sizes = {Image.open(path).size[0] for path in shown.iterdir()}
    assert sizes == {848}

    def refused(*argv: str) -> str:
        assert main(["read", checkpoint, many[0], *argv]) == 2
        return capsys.readouterr().err

    own = (tmp_path / "more" / Path(many[0]).name).with_suffix(".png")
    Image.open(many[0]).save(own)
    before = own.read_bytes()
    assert main(["read", checkpoint, str(own.parent), "--show", str(own.parent)]) == 2
    assert "lies there and may be written over" in capsys.readouterr().err and own.read_bytes() == before
    assert "leave --beam out" in refused("--show", str(shown), "--beam", "3")
    assert "cannot be made" in refused("--show", str(broken))


def test_what_is_left_out_and_what_shows_nothing_are_told(
    read: Read, many: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: str
) -> None:
    folder = tmp_path / "crops"
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    Image.open(many[0]).save(folder / "photo.jfif", "JPEG")
    Image.open(many[1]).save(tmp_path / "elsewhere" / "word.avif")
    Image.new("RGB", (30, 20), "red").save(folder / "red.png")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "._photo.jfif").write_bytes(b"of a Mac")
    (folder / "labels.tsv").write_text("photo.jfif\tword\n")
    assert main(["read", checkpoint, str(folder)]) == 0
    printed, told = capsys.readouterr()
    assert [Path(line.split("\t")[0]).name for line in printed.splitlines()] == [
        "word.avif",
        "photo.jfif",
        "red.png",
    ]
    assert f"{folder}: left out 2 files that are no picture (._photo.jfif, labels.tsv)" in told
    assert "red.png: is of one colour, so that no letter is to be seen" in told
    assert "photo.jfif: is" not in told
