"""Charsets from files, and what is wrong with them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autostr_nni.data.charset import NAMED, Charset
from autostr_nni.recipe import recipe_from
from autostr_nni.recipe.data import CHARSETS
from autostr_nni.recipe.words.charset_file import read_charset
from autostr_nni.system.errors import InputError


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a\nb\nc\n", "abc"),
        ("abc\n\nde", "abcde"),
        ("\ufeffa\r\nb\r\n", "ab"),
        ("e\u0301\ne\n", "ée"),
        ("a\n \nb", "a b"),
        ("人\n口", "人口"),
    ],
)
def test_files(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "c.txt").write_bytes(content.encode())
    assert read_charset(tmp_path / "c.txt") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\na\n", r"c.txt:3: lists 'a' again, after line 1; list it once$"),
        (b"abca", r"c.txt:1: lists 'a' again, after this line; list it once$"),
        ("é\ne\u0301".encode(), r"c.txt:2: lists 'é' again, after line 1"),
        (b"a\tb", r"c.txt:1: holds '\\t', which is no character of a word; remove it$"),
        (b"\n\n", r"c.txt: lists no character; write one a line$"),
        (b"a\n\xff", r"c.txt: is not UTF-8 text \(line 2, byte 2\)"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "c.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_charset(tmp_path / "c.txt")


def test_a_recipe_keeps_the_characters(tmp_path: Path) -> None:
    data = {"train": ["a"], "validation": ["b"], "charset": {"file": "c.txt"}}
    with pytest.raises(InputError, match=r"data.charset file .*c.txt: there is no such file"):
        recipe_from({"data": data}, tmp_path)
    (tmp_path / "c.txt").write_text("да\nнет", encoding="utf-8")
    recipe = recipe_from({"data": data}, tmp_path)
    assert recipe.data.charset == "данет"
    plain = {**data, "charset": "данет"}
    assert recipe.digest() == recipe_from({"data": plain}, tmp_path).digest()
    for wrong in ({"fil": "c.txt"}, {"file": 3}, {"file": ""}, {}):
        with pytest.raises(InputError, match=r"data.charset must be a name, the characters themselves"):
            recipe_from({"data": {**data, "charset": wrong}}, tmp_path)


def test_six_thousand_characters(tmp_path: Path) -> None:
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 6000)))
    (tmp_path / "c.txt").write_text("\n".join(characters), encoding="utf-8")
    begun = time.perf_counter()
    recipe = recipe_from(
        {"data": {"train": ["a"], "validation": ["b"], "charset": {"file": "c.txt"}}}, tmp_path
    )
    charset = Charset.named(recipe.data.charset)
    assert charset.classes == 6001 and charset.decode(charset.encode("一万")) == "一万"
    assert Charset.named(recipe.data.charset) is charset
    assert time.perf_counter() - begun < 5


def test_latin() -> None:
    latin = Charset.named("latin")
    assert tuple(sorted(NAMED, key=CHARSETS.index)) == CHARSETS and len(NAMED) == len(CHARSETS)
    for text in (
        "Straße",
        "Łódź",
        "Çağrı",
        "coração",
        "fjörður",
        "Žluťoučký",
        "„œuvre“",
        "Țară",
        "l’été",
        "12,50€",
    ):
        assert latin.clean(text) == (text, 0)
    assert len(set(latin.characters)) == len(latin.characters) and latin.clean("×да")[0] == ""
