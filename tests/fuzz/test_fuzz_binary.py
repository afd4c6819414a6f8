"""Malformed binary files: images, word image sets and checkpoints, damaged by chance."""

from __future__ import annotations

import shutil
from pathlib import Path

import lmdb
import pytest
from fuzz_cases import fuzz, lengths, place
from fuzz_good import PICTURES
from fuzz_mutations import SPLINTERS, damaged_bytes
from fuzz_worker import Reader, judge
from hypothesis import strategies as st

pytestmark = pytest.mark.slow("many damaged files, each read by commands")

NO_IMAGE = "damaged.bin: (not an image that can be decoded|an image of more than 50 million pixels)"


@lengths
def test_images(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    work = place(good, tmp_path / "work", "net.ckpt")
    options = ["--show", "shown"]  # draws, and so looks at them in another way

    def check(case: tuple[bytes, bool]) -> str:
        (work / "damaged.bin").write_bytes(case[0])
        argv = ["read", "net.ckpt", "damaged.bin", *(options if case[1] else [])]
        return judge(reader.run(argv, work), ["damaged.bin"], NO_IMAGE)

    contents = [(good / name).read_bytes() for name in PICTURES]
    pictures = st.sampled_from(contents).flatmap(damaged_bytes)
    seen = fuzz(st.tuples(pictures, st.sampled_from([False] * 7 + [True])), check, 2 * examples)
    assert len(seen) > 1, seen


@lengths
@pytest.mark.parametrize("command", ["check", "evaluate"])
def test_sets(good: Path, reader: Reader, tmp_path: Path, command: str, examples: int) -> None:
    """Pages of the database with flipped bytes, lost or cut off."""
    work = place(good, tmp_path / "work", "net.ckpt", "words")
    argv = ["data", "check", "words"] if command == "check" else ["evaluate", "net.ckpt", "words"]

    def check(data: bytes) -> str:
        (work / "words" / "data.mdb").write_bytes(data)
        return judge(reader.run(argv, work), ["words"], "words")

    seen = fuzz(damaged_pages((good / "words" / "data.mdb").read_bytes()), check, 2 * examples)
    assert len(seen) > 1, seen


@st.composite
def damaged_pages(draw: st.DrawFn, good: bytes) -> bytes:
    """A database after blows to where its pages say what they hold: heads, places of nodes, and nodes."""
    data = bytearray(good)
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged_bytes(good))
    pages = len(data) // 4096
    for _ in range(draw(st.integers(1, 3))):
        page = draw(st.sampled_from([0, 0, 1, 1, *range(pages)]))
        part = draw(st.sampled_from(["head", "places", "nodes", "whole"]))
        low, high = {"head": (0, 160), "places": (16, 200), "nodes": (2048, 4096), "whole": (0, 4096)}[part]
        start = 4096 * page + draw(st.integers(low, high - 1))
        value = draw(st.sampled_from([0, 1, 2, 4, 0x10, 0x7F, 0x80, 0xF0, 0xFF]))
        width = draw(st.sampled_from([1, 1, 2, 4, 8, 64]))
        data[start : start + width] = bytes([value]) * len(data[start : start + width])
        if draw(st.integers(0, 9)) == 0:
            other = draw(st.integers(0, pages - 1))
            data[4096 * page : 4096 * page + 4096] = data[4096 * other : 4096 * other + 4096]
    return bytes(data)


@lengths
def test_entries_of_sets(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    """Whole databases whose keys and values are wrong."""
    work = place(good, tmp_path / "work", "net.ckpt")
    with lmdb.open(str(good / "words"), readonly=True, lock=False) as base, base.begin() as reading:
        entries = [(bytes(key), bytes(value)) for key, value in reading.cursor()]

    def check(changes: list[tuple[bytes | None, bytes | None]]) -> str:
        shutil.rmtree(work / "words", ignore_errors=True)
        (work / "words").mkdir()
        base = lmdb.open(str(work / "words"), map_size=64 << 20, lock=False)
        with base, base.begin(write=True) as writing:
            for key, value in [*entries, *changes]:
                if value is None:
                    writing.delete(key)
                else:
                    writing.put(key, value)
        judge(reader.run(["data", "check", "words"], work), ["words"], "words")
        return judge(reader.run(["evaluate", "net.ckpt", "words"], work), ["words"])

    keys = st.sampled_from(
        [b"num-samples", b"image-000000001", b"label-000000001", b"label-000000002", b"image-000000099",
         b"label-000000000", b"label-99999999999999999999", b"image-\xff", b"label-", b"x" * 500]
    )  # fmt: skip
    values = st.one_of(
        st.none(),
        st.sampled_from(
            [b"", b"\0", b"x" * 100_000, b"0", b"-1", b"1e9", b"9" * 30, b"9" * 5000, *SPLINTERS]
        ),
        damaged_bytes(entries[0][1]),
    )
    seen = fuzz(st.lists(st.tuples(keys, values), min_size=1, max_size=4), check, examples)
    assert seen["accepted"], seen


@lengths
def test_checkpoints(good: Path, reader: Reader, tmp_path: Path, examples: int) -> None:
    work = place(good, tmp_path / "work", "word.png")

    def check(data: bytes) -> str:
        (work / "damaged.ckpt").write_bytes(data)
        return judge(reader.run(["read", "damaged.ckpt", "word.png"], work), ["damaged.ckpt"])

    seen = fuzz(damaged_bytes((good / "net.ckpt").read_bytes()), check, 2 * examples)
    assert seen["refused"] > examples / 2, seen
