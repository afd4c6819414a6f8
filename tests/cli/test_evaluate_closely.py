"""`autostr evaluate`: intervals, scores by length, and the sheet of errors."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autostr_nni.cli.commands.evaluate import named_sets
from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.reading.evaluation import Reader
from autostr_nni.reading.mistakes import Mistake, by_length, worst
from autostr_nni.reading.pictures.contact_sheet import Entry, contact_sheet
from autostr_nni.reading.pictures.mistakes_sheet import draw_mistakes


@pytest.fixture(scope="module")
def checkpoint(trained: Path) -> str:
    return str(trained / "best.ckpt")


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory: pytest.TempPathFactory, shades: Path) -> Path:
    """The test set with an undecodable image in front, and with the labels of six words changed."""
    from autostr_nni.data.sets.lmdb_io import LmdbReader

    folder = tmp_path_factory.mktemp("mislabelled") / "set"
    with LmdbReader(shades / "test") as reader:
        samples = [reader.sample(number) for number in range(1, len(reader) + 1)]
    words = [(image, ("2" if number < 6 else text)) for number, (image, text) in enumerate(samples)]
    write_lmdb(folder, [(b"no image", "1"), *words])
    return folder


def test_intervals_and_lengths(
    checkpoint: str, shades: Path, mislabelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", checkpoint, str(shades / "test"), str(mislabelled), "--by-length"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    for name, row in told["sets"].items():
        low, high = told["intervals_95"][name]
        assert 0 <= low <= row["word_accuracy"] <= high <= 1 and high - low > 0.05
        lengths = told["by_length"][name]
        assert set(lengths) == {"1", "2"}
        for key in ("words", "correct"):
            assert sum(part[key] for part in lengths.values()) == row[key]
        for part in lengths.values():
            assert part["interval_95"][0] <= part["word_accuracy"] <= part["interval_95"][1]
    assert told["by_length"]["all"]["1"]["words"] == sum(
        told["by_length"][name]["1"]["words"] for name in ("test", "set")
    )

    assert main(command) == 0
    tables = capsys.readouterr().out.split("\n\n")
    assert "95 % interval" in tables[0] and "95 % interval" in tables[1]
    assert [line.split()[0] for line in tables[1].splitlines()] == ["length", "1", "2"]


def test_scores_by_length_are_of_what_is_compared() -> None:
    found = by_length(
        [("ab", "ab"), ("abc", "a-b-c"), ("x", "!"), ("abd", "ABC"), ("", "abc")], Charset.named("printable")
    )
    assert {length: (s.words, s.correct) for length, s in found.items()} == {2: (1, 1), 3: (3, 1)}


def test_sheet_of_errors(
    checkpoint: str, shades: Path, mislabelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "errors.png"
    command = ["evaluate", checkpoint, str(shades / "test"), str(mislabelled), "--errors", str(file)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["errors"] == str(file)
    wrong = told["sets"]["all"]["words"] - told["sets"]["all"]["correct"]
    assert wrong >= 6
    with Image.open(file) as sheet:
        assert sheet.width == 1070 and sheet.height == 72 + -(-wrong // 4) * 146
    assert main(["evaluate", checkpoint, str(shades / "test"), "--errors", str(tmp_path / "e.txt")]) == 2
    assert "a picture's name ends in .png" in capsys.readouterr().err
    assert (
        main(["evaluate", checkpoint, str(shades / "test"), "--errors", str(tmp_path / "no" / "e.png")]) == 2
    )
    assert "make the folder" in capsys.readouterr().err


def test_the_surest_errors_with_their_own_images(tmp_path: Path) -> None:
    """Undecodable images do not shift which image belongs to which word."""
    rng = random.Random(0)
    samples: list[tuple[bytes, str]] = []
    for number in range(30):
        image = Image.new("RGB", (8, 8), (number, 0, 0))
        place = tmp_path / "one.png"
        image.save(place)
        samples.append((b"no image" if rng.random() < 0.3 else place.read_bytes(), str(100 + number)))
    write_lmdb(tmp_path / "set", samples)
    dataset = WordDataset([tmp_path / "set"], Charset.named("digits"), 5, (8, 8))
    reader = Reader.__new__(Reader)
    reader.reset()
    for start in range(0, 30, 7):
        batch = [dataset[index] for index in range(start, min(start + 7, 30))]
        good = [sample for sample in batch if sample is not None]
        reader.batches.append((len(good), len(batch) - len(good)))
        for _, _, text in good:
            wrong = int(text) % 3 == 0
            reader.pairs.append(("999" if wrong else text, text))
            reader.confidences.append(rng.random())
    found = worst("set", dataset, reader, 4)
    sureness = [c for c, (p, t) in zip(reader.confidences, reader.pairs, strict=True) if p != t]
    assert [mistake.confidence for mistake in found] == sorted(sureness, reverse=True)[:4]
    for mistake in found:
        assert mistake.image == samples[int(mistake.truth) - 100][0]
        assert mistake.text == "999" and int(mistake.truth) % 3 == 0


def test_sheets_of_any_size() -> None:
    image = Image.new("RGB", (900, 8), "black")
    long = Entry(image, "a" * 60, "", "confidence 12.0 %")
    for count in (0, 1, 3, 4, 5):
        sheet = contact_sheet([long] * count, "title " * 40, "subtitle")
        assert sheet.height == 72 + -(-count // 4) * 146
        right = np.asarray(sheet)[:, -8:]
        assert right.min() > 200  # nothing runs over the edge


def test_sets_go_by_the_shortest_end_that_tells_them_apart() -> None:
    names = named_sets(["/a/quick/words/test", "/a/real/words/test", "/a/b/val", "/val", "/x/all"])
    assert list(names) == ["quick/words/test", "real/words/test", "b/val", "/val", "x/all"]
    assert all(str(path).endswith(name) for name, path in names.items())


def test_turned_pictures_are_upright_on_the_sheet(tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (40, 100), "black"), Image.Exif()
    image.paste("white", (0, 0, 40, 50))  # the upper half, which the entry turns to the right
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    mistake = Mistake("set", "read", "truth", 0.5, buffer.getvalue())
    draw_mistakes([mistake], {"set": {"words": 1, "correct": 0}}, "net.ckpt", tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    # Turned, the black half is 80 wide and 64 high; as it lies it would be 26 by 32.
    assert ((sheet < 10).sum(axis=0) > 60).sum() > 70
