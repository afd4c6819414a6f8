"""Pictures that show nothing are counted apart, and turned ones are measured upright."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from autostr_nni.cli.main import main
from autostr_nni.data.charset import Charset
from autostr_nni.data.sets.check import check_set
from autostr_nni.data.sets.lmdb_write import write_lmdb


def test_check_counts_pictures_of_one_colour(raw_set, picture) -> None:
    seen, flat = picture((40, 20)), picture(shade=77)
    report = check_set(
        raw_set([(seen, b"abc"), (flat, b"abc"), (flat, b"de"), (b"junk", b"x")]),
        Charset.named("printable"),
        25,
    )
    assert (report.one_colour, report.usable, report.to_dict()["one_colour"]) == (2, 3, 2)
    assert "of one colour, so that no letter is to be seen: 2, the first is number 2" in report.to_text()
    assert (
        "of one colour"
        not in check_set(raw_set([(seen, b"a")], name="b"), Charset.named("printable"), 25).to_text()
    )


def test_pack_counts_pictures_of_one_colour(tmp_path: Path, picture, capsys) -> None:
    (tmp_path / "flat.jpg").write_bytes(picture(shade=3))
    (tmp_path / "seen.jpg").write_bytes(picture())
    (tmp_path / "list.tsv").write_text("flat.jpg\ta\nseen.jpg\tb\n")
    assert main(["data", "pack", str(tmp_path / "list.tsv"), str(tmp_path / "set")]) == 0
    printed = capsys.readouterr().out
    assert "2 samples" in printed
    assert "of one colour, so that no letter is to be seen: 1 of those (line 1: flat.jpg)" in printed


def test_check_measures_turned_pictures_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((52, 110)).save(buffer, "JPEG", exif=exif)
    write_lmdb(tmp_path / "set", [(buffer.getvalue(), "abc")])
    values = check_set(tmp_path / "set", Charset.named("printable"), 25).to_dict()
    assert (values["width"]["median"], values["height"]["median"], values["aspect"]["median"]) == (
        110,
        52,
        2.12,
    )
    assert values["formats"] == {"JPEG": 1}
