"""Images and sets made to do harm: bombs, pictures that promise too much, databases cut short."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from fuzz_good import picture
from fuzz_worker import ACCEPTED, COUNTED, REFUSED, Reader, judge


def png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that promises any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose frame says another size than its data."""
    data = bytearray(picture(form="JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def hidden_jpeg(width: int, height: int) -> bytes:
    """The same, with a harmless size in a comment before the real one."""
    data = jpeg(width, height)
    comment = b"\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" + b"\0" * 20
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]


def text_bomb() -> bytes:
    """A PNG whose compressed text unpacks to a gigabyte."""
    text = b"Comment\0\0" + zlib.compress(bytes(1 << 28), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    data = picture()
    return data[:33] + chunk + data[33:]


IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG of 50000x50000": (lambda: png(50_000, 50_000), COUNTED),
    "PNG of 2^31-1 columns": (lambda: png(2**31 - 1, 1), COUNTED),
    "PNG of no pixel": (lambda: png(0, 0), COUNTED),
    "PNG with less data than it says": (lambda: png(500, 500), COUNTED),
    "PNG with a bomb of text": (text_bomb, COUNTED),
    "JPEG of 50000x50000": (lambda: jpeg(50_000, 50_000), COUNTED),
    "JPEG of 50000x50000 behind a small one": (lambda: hidden_jpeg(50_000, 50_000), COUNTED),
    "JPEG of 0x0": (lambda: jpeg(0, 0), COUNTED),
    "one pixel": (lambda: picture(size=(1, 1)), ACCEPTED),
    "one row of JPEG": (lambda: picture(form="JPEG", size=(3000, 1)), ACCEPTED),
    "a JPEG within a JPEG": (lambda: picture(form="JPEG")[:100] + picture(form="JPEG"), COUNTED),
    "text": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", COUNTED),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n", COUNTED),
    "nothing": (lambda: b"", COUNTED),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(reader: Reader, work: Path, name: str) -> None:
    make, expected = IMAGES[name]
    (work / "odd").write_bytes(make())
    large = "0000x" in name or "2^31" in name
    why = f"odd: {'an image of more than 50 million pixels' if large else 'not an image'}"
    told = judge(reader.run(["read", "net.ckpt", "odd"], work), ["odd"], why)
    assert told == expected or name == "a JPEG within a JPEG"
    (work / "list.tsv").write_text("odd\tword\n")
    packed = judge(reader.run(["data", "pack", "list.tsv", "packed"], work), ["list.tsv"])
    assert packed == (ACCEPTED if told == ACCEPTED else REFUSED)


def test_a_set_cut_short_anywhere(good: Path, reader: Reader, work: Path) -> None:
    """It is refused, or only lacks pages that none of its words is on, and nothing is lost."""
    data = (good / "words" / "data.mdb").read_bytes()
    whole = reader.run(["evaluate", "net.ckpt", "words"], work).out
    lacking = 0
    for size in (1, 100, 4096, 8192, 12_288, len(data) // 2, len(data) - 4096, len(data) - 1):
        (work / "words" / "data.mdb").write_bytes(data[:size])
        ending = reader.run(["evaluate", "net.ckpt", "words"], work)
        if judge(ending, ["words"]) == ACCEPTED:
            assert size > len(data) // 2 and ending.out == whole
            lacking += 1
    assert lacking <= 2


SAMPLES: dict[str, dict[bytes, bytes]] = {
    "an endless number of samples": {b"num-samples": b"9" * 18},
    "a number of thousands of digits": {b"num-samples": b"9" * 5000},
    "no number": {b"num-samples": "٣".encode()},
    "fewer than none": {b"num-samples": b"-4"},
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sets(reader: Reader, work: Path, name: str) -> None:
    with lmdb.open(str(work / "words"), map_size=64 << 20) as base, base.begin(write=True) as writing:
        for key, value in SAMPLES[name].items():
            writing.put(key, value)
    assert judge(reader.run(["evaluate", "net.ckpt", "words"], work), ["num-samples"]) == REFUSED


def test_samples_that_are_of_no_use_are_counted(reader: Reader, work: Path) -> None:
    huge = b"1" * (20 << 20)
    with lmdb.open(str(work / "words"), map_size=256 << 20) as base, base.begin(write=True) as writing:
        for number, label in enumerate((huge, b"\xff\xfe", b"", b"\0", "é".encode()), 1):
            writing.put(b"label-%09d" % number, label)
        writing.put(b"image-000000006", png(50_000, 50_000))
        writing.put(b"image-000000007", huge)
    ending = reader.run(["data", "check", "words"], work)
    assert judge(ending, ["words"]) == ACCEPTED
    assert "34 of 41 samples usable" in ending.out
    for part in (
        "1 too long",
        "1 label not UTF-8",
        "1 empty label",
        "1 no known",
        "1 label with a tab or other control character",
        "1 undecodable",
        "1 of more than 50 million pixels",
    ):
        assert part in ending.out
