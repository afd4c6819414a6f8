from __future__ import annotations

import json
import os
from pathlib import Path

import lmdb
import pytest
from PIL import Image

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.labels import CONTROL
from autostr_nni.data.sets.check import check_set
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.data.sets.pack import pack
from autostr_nni.reading.read_files import why_unread
from autostr_nni.system.errors import InputError


@pytest.fixture
def images(tmp_path: Path, picture) -> Path:
    folder = tmp_path / "my images"
    folder.mkdir()
    (folder / "a b.jpg").write_bytes(picture(shade=1))
    (folder / "c.png").write_bytes(picture(shade=2, form="PNG"))
    (folder / "broken.jpg").write_bytes(picture()[:40])
    return folder


def test_pack(images: Path, tmp_path: Path) -> None:
    listed = images / "list.txt"
    lines = ["\ufeffa b.jpg\tNew York", "", f"{images / 'c.png'}\tE\u0301té\u00a0x", "gone.jpg\tx",
             "broken.jpg\tx", "c.png", "c.png\t ", "c.png\t7\t0.98", "c.png\ta\u2028b",
             ".\tx", "c.png\tlast\r"]  # fmt: skip
    listed.write_bytes("\n".join(lines).encode())
    summary = pack(listed, tmp_path / "set")
    assert summary.packed == 3
    assert summary.skipped == {
        "missing image": 1,
        "undecodable image": 1,
        "no tab": 1,
        "empty label": 1,
        "unreadable image": 1,
        CONTROL: 2,
    }
    assert summary.examples["missing image"] == ["line 4: gone.jpg"]
    reader = LmdbReader(tmp_path / "set")
    assert reader.sample(1) == ((images / "a b.jpg").read_bytes(), "New York")
    assert reader.sample(2) == ((images / "c.png").read_bytes(), "Été\u00a0x")
    assert reader.label(3) == "last"


def test_a_picture_of_too_many_pixels(tmp_path: Path) -> None:
    """It is no damaged one: a whole page, perhaps, of which the word is to be cut out."""
    Image.new("1", (10_000, 6_000)).save(tmp_path / "page.png")
    (tmp_path / "list.txt").write_text("page.png\tword")
    with pytest.raises(
        InputError, match=r"1 image of more than 50 million pixels \(line 1: page.png\); a line is"
    ):
        pack(tmp_path / "list.txt", tmp_path / "set")
    assert why_unread(tmp_path / "page.png") == (
        "an image of more than 50 million pixels, which no crop of a word has"
    )
    Image.new("1", (30_000, 30_000)).save(tmp_path / "poster.png")  # Pillow itself refuses this one
    assert "more than 50 million pixels" in why_unread(tmp_path / "poster.png")
    write_lmdb(tmp_path / "set", [((tmp_path / "page.png").read_bytes(), "word")])
    report = check_set(tmp_path / "set", Charset.named("lowercase"), 25)
    assert report.skipped == {"of more than 50 million pixels": 1}


def test_images_of_a_list_may_lie_in_a_home_folder(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name beside the list comes first."""
    monkeypatch.setenv("HOME", str(images))
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "own.png").write_bytes((images / "c.png").read_bytes())
    lines = ["~/a b.jpg\tone", "~/own.png\ttwo", "~nobody-of-this-name/x.png\tthree"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    summary = pack(tmp_path / "list.txt", tmp_path / "set")
    assert summary.packed == 2 and summary.skipped == {"missing image": 1}


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "no line"), (b"gone.jpg\tx", "1 missing image.*line 1"), (b"\xff", "UTF-8")]
)
def test_nothing_to_pack(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(InputError, match=words):
        pack(tmp_path / "list", tmp_path / "set")
    assert [entry.name for entry in tmp_path.iterdir()] == ["list"]
    with pytest.raises(InputError, match="there is no such file"):
        pack(tmp_path / "nothing", tmp_path / "set")


def test_check_counts(raw_set, picture) -> None:
    samples = [
        (picture((40, 20)), b"abc"),
        (picture((80, 20), form="PNG"), b"a b"),
        (b"junk", b"abc"),
        (picture(), b""),
        (picture(), b"x" * 30),
        (None, b"abc"),
        (picture(), "é".encode()),
        (picture(), b"\xff"),
    ]
    report = check_set(raw_set(samples), Charset.named("printable"), 25)
    assert (report.samples, report.usable, report.trimmed) == (8, 2, 1)
    assert report.skipped == {
        "undecodable": 1,
        "empty label": 1,
        "too long": 1,
        "missing": 1,
        "no known character": 1,
        "label not UTF-8": 1,
    }
    assert report.lengths == {3: 1, 2: 1}
    assert report.unknown == {" ": 1, "é": 1}
    values = json.loads(json.dumps(report.to_dict()))
    assert values["formats"] == {"JPEG": 5, "PNG": 1}
    assert values["width"] == {"min": 40, "quarter": 40, "median": 40, "three_quarters": 40, "max": 80}
    assert "2 of 8 samples usable" in report.to_text()
    assert sum(report.skipped.values()) + report.usable == report.samples


@pytest.mark.parametrize(
    "label", ["407\t0.98", "two\nlines", "end\n", "\x1b[2J", "a\x00", "a\x85b", "a\u2028b"]
)
def test_a_label_that_is_more_than_a_word(raw_set, picture, label: str) -> None:
    folder = raw_set([(picture(), label.encode()), (picture(), b"abc")])
    charset = Charset.named("printable")
    report = check_set(folder, charset, 25)
    assert report.usable == 1 and report.skipped == {CONTROL: 1}
    assert all(character.isprintable() for line in report.to_text().splitlines() for character in line)
    dataset = WordDataset(folder, charset, 25)
    assert len(dataset) == 1 and dataset.skipped == {CONTROL: 1}


def test_one_word_in_two_spellings(raw_set, picture) -> None:
    folder = raw_set([(picture(), "café".encode()), (picture(), "cafe\u0301".encode())])
    for letters in ("acfé", "acfee\u0301"):  # the charset too may be written either way
        charset = Charset.named(letters)
        report = check_set(folder, charset, 25)
        assert (report.usable, report.trimmed, report.lengths) == (2, 0, {4: 2})
        targets = WordDataset(folder, charset, 25).batch([0, 1]).targets
        assert (targets[0] == targets[1]).all() and charset.decode(targets[0].tolist()) == "café"
    assert check_set(folder, Charset.named("acf"), 25).unknown == {"é": 2}


def test_more_samples_than_promised(raw_set, picture) -> None:
    """Those that num-samples does not reach are told, of a folder as of a whole recipe's set."""
    folder = raw_set([(picture(), b"abc")] * 5, count=b"2")
    charset = Charset.named("printable")
    report = check_set(folder, charset, 25)
    assert (report.samples, report.beyond, report.skipped) == (2, 3, {})
    assert "3 more beyond num-samples, which is 2" in report.to_text()
    assert report.to_dict()["beyond"] == 3
    assert "3 more beyond num-samples" in WordDataset(folder, charset, 25).report()
    assert check_set(raw_set([(picture(), b"abc")], name="right"), charset, 25).beyond == 0


@pytest.mark.parametrize("number", [b"000000000", b"7", b"0002"])
def test_samples_under_other_numbers_are_told(raw_set, picture, number: bytes) -> None:
    folder = raw_set([(picture(), b"abc")])
    environment = lmdb.open(str(folder))
    with environment.begin(write=True) as transaction:
        transaction.put(b"image-" + number, picture())
        transaction.put(b"label-" + number, b"more")
    environment.close()
    report = check_set(folder, Charset.named("printable"), 25)
    assert (report.usable, report.beyond, report.skipped) == (1, 1, {})


def test_labels_only(raw_set) -> None:
    report = check_set(raw_set([(b"junk", b"abc")]), Charset.named("printable"), 25, images=False)
    assert report.usable == 1
    assert report.to_dict()["width"] is None
    assert "1 of 1" in report.to_text()


def test_lines_that_name_a_folder_cost_no_open_file(images: Path, tmp_path: Path) -> None:
    """As an empty first column does: the list's own."""
    before = len(os.listdir("/proc/self/fd"))
    (images / "list.txt").write_text("\tword\n" * 40, encoding="utf-8")
    with pytest.raises(InputError, match="40 unreadable image"):
        pack(images / "list.txt", tmp_path / "set")
    assert len(os.listdir("/proc/self/fd")) == before
