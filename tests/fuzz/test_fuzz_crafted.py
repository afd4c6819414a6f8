"""Input made to do harm: bombs, code in pickles, links in circles, pipes, pictures that promise too much."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest
import torch
import yaml
from fuzz_cases import place
from fuzz_good import ARCHITECTURE, RECIPE, picture
from fuzz_worker import ACCEPTED, COUNTED, REFUSED, Reader, judge

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
RECIPES: dict[str, str | bytes] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "a list": "[1, 2]",
    "a number": "3",
    "binary": bytes(range(256)),
    "invalid UTF-8": b"seed: \xff\n",
    "UTF-16": "seed: 1".encode("utf-16"),
    "zero bytes": b"\0" * 4096,
    "over a megabyte": "# " + "x" * (2 << 20),
    "aliases upon aliases": LAUGHS,
    "an alias of itself": "data: &a [*a]\n",
    "merged with itself": "data: &a\n  <<: *a\n",
    "merges upon merges": "a0: &a0 {k: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10)),
    "lists in lists": "[" * 20_000,
    "mappings in mappings": "".join(f"{' ' * n}a:\n" for n in range(1000)),
    "code": "data: !!python/object/apply:os.system ['touch ran']\n",
    "a date that is none": "seed: 2024-99-99\n",
    "a number of many digits": "seed: " + "9" * 10_000,
    "sexagesimal": "seed: 190:20:30:59:59:59\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a key that is a list": "? [1, 2]\n: 3\n",
    "a tag of one's own": "data: !train x\n",
}


@pytest.fixture
def work(good: Path, tmp_path: Path) -> Path:
    """A folder with good files of every kind."""
    return place(
        good, tmp_path / "work", "recipe.yml", "experiment.yml", "net.ckpt", "word.png", "words", "fonts"
    )


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("file", ["recipe.yml", "experiment.yml"])
def test_recipes_and_experiments(reader: Reader, work: Path, name: str, file: str) -> None:
    content = RECIPES[name]
    (work / file).write_bytes(content.encode() if isinstance(content, str) else content)
    argv = ["space", "--recipe", file] if file == "recipe.yml" else ["search", file]
    assert judge(reader.run(argv, work), [file]) == REFUSED
    assert not (work / "ran").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 10**30),
        ("model.stage_layers", [10**9] * 5),
        ("model.stage_widths", [10**9] * 5),
        ("model.image", [2**30, 2**30]),
        ("model.width_multiplier", 1e308),
        ("model.translator.hidden", 10**9),
        ("model.translator.encoder_layers", 10**6),
        ("model.rectifier.points", 10**8),
        ("data.max_length", 10**9),
        ("data.charset", "".join(map(chr, range(0x100, 0xD000)))),
        ("data.charset", "lowrcase"),
        ("data.train", ["~nobody-of-that-name/words"]),
        ("data.train", ["a\0b"]),
        ("data.train", ["x" * 300]),
        ("training.threads", 10**9),
        ("evaluation.beam", 10**9),
    ],
)
def test_values_that_ask_for_everything(reader: Reader, work: Path, key: str, value: Any) -> None:
    content = yaml.safe_load(yaml.safe_dump(RECIPE))
    *sections, last = key.split(".")
    inside = content
    for section in sections:
        inside = inside.setdefault(section, {})
    inside[last] = value
    (work / "recipe.yml").write_text(yaml.safe_dump(content))
    argv = ["describe", ARCHITECTURE, "--recipe", "recipe.yml", "--recognizer"]
    assert judge(reader.run(argv, work), [key]) == REFUSED


def a_folder(path: Path) -> None:
    path.mkdir()


def a_circle(path: Path) -> None:
    path.with_name("other").symlink_to(path.name)
    path.symlink_to("other")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unreadable(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0)


PLACES: dict[str, Callable[[Path], None]] = {
    "a folder": a_folder,
    "a circle of links": a_circle,
    "a pipe": a_pipe,
    "a device without end": endless,
    "not to be read": unreadable,
    "missing": lambda path: None,
}
COMMANDS = {
    "recipe": ["space", "--recipe", "odd"],
    "experiment": ["search", "odd"],
    "architecture": ["describe", "odd.json"],
    "checkpoint": ["evaluate", "odd", "words"],
    "image": ["read", "net.ckpt", "odd"],
    "list": ["data", "pack", "odd", "packed"],
    "words": [
        "data",
        "synth",
        "out",
        "--count",
        "1",
        "--processes",
        "1",
        "--lexicon",
        "odd",
        "--fonts",
        "fonts",
        "--no-system-fonts",
    ],  # fmt: skip
    "set": ["data", "check", "odd"],
    "search": ["report", "odd", "--out", "report"],
    "resumed": ["resume", "odd"],
}


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("odd", PLACES)
def test_what_is_no_file(reader: Reader, work: Path, kind: str, odd: str) -> None:
    if odd == "not to be read" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    argv = COMMANDS[kind]
    name = next(word for word in argv if word.startswith("odd"))
    PLACES[odd](work / name)
    assert judge(reader.run(argv, work), ["odd"], "odd: not an image") in (REFUSED, COUNTED)


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
    told = judge(reader.run(["read", "net.ckpt", "odd"], work), ["odd"], "odd: not an image")
    assert told == expected or name == "a JPEG within a JPEG"
    (work / "list.tsv").write_text("odd\tword\n")
    packed = judge(reader.run(["data", "pack", "list.tsv", "packed"], work), ["list.tsv"])
    assert packed == (ACCEPTED if told == ACCEPTED else REFUSED)


class Trap:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def zipped(entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """The good checkpoint's content after a change."""

    def make(good: bytes) -> bytes:
        content = torch.load(io.BytesIO(good), weights_only=True)
        content = change(content) or content
        file = io.BytesIO()
        torch.save(content, file)
        return file.getvalue()

    return make


def weight(value: Any) -> Callable[[bytes], bytes]:
    """The good checkpoint with another value in place of its first weight."""

    def change(content: dict[str, Any]) -> None:
        first = next(iter(content["weights"]))
        content["weights"][first] = value(content["weights"][first]) if callable(value) else value

    return changed(change)


def recipe(key: str, section: str, value: Any) -> Callable[[bytes], bytes]:
    """The good checkpoint with another recipe in it."""

    def change(content: dict[str, Any]) -> None:
        told = json.loads(content["recipe"])
        told[section][key] = value
        content["recipe"] = json.dumps(told)

    return changed(change)


def claimed(good: bytes) -> bytes:
    """The good checkpoint, its first storage said to be a thousand times as long as it is."""
    file = io.BytesIO(good)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in entries if name.endswith("data.pkl"))
    # In the pickle: ('storage', type, key, 'cpu', number of elements).
    before, cpu, after = entries[name].partition(b"X\x03\x00\x00\x00cpu")
    memo, number = after[:2], after[2:]
    assert cpu and number[:1] in (b"K", b"M")
    skip = 2 if number[:1] == b"K" else 3
    entries[name] = before + cpu + memo + b"J\xff\xff\xff\x0f" + number[skip:]
    return zipped(entries)


CHECKPOINTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda good: b"",
    "text": lambda good: b"these are no weights",
    "a bomb": lambda good: zipped({"a/data.pkl": bytes(1 << 28)}, zipfile.ZIP_DEFLATED),
    "code": lambda good: pickle.dumps(Trap()),
    "code in an archive": lambda good: zipped({"a/data.pkl": pickle.dumps(Trap()), "a/version": b"3"}),
    "code in a part": changed(lambda content: {**content, "metrics": Trap()}),
    "a list": changed(lambda content: [1, 2]),
    "another program's": changed(lambda content: content["weights"]),
    "another format": changed(lambda content: {**content, "format": "autostr_nni recognizer 99"}),
    "a format that is no text": changed(lambda content: {**content, "format": torch.zeros(2)}),
    "no recipe": changed(lambda content: content.pop("recipe") and None),
    "a recipe of numbers": changed(lambda content: {**content, "recipe": 3}),
    "a recipe nested deeply": changed(lambda content: {**content, "recipe": "[" * 100_000}),
    "layers that are none": changed(lambda content: {**content, "stage_layers": [0, -1, "x"]}),
    "layers without end": changed(lambda content: {**content, "stage_layers": [10**9] * 5}),
    "an architecture of another space": changed(lambda content: {**content, "architecture": "{}"}),
    "metrics that are no JSON": changed(lambda content: {**content, "metrics": "{"}),
    "no weights": changed(lambda content: {**content, "weights": {}}),
    "weights in a list": changed(lambda content: {**content, "weights": [1.0]}),
    "a weight of another shape": weight(torch.zeros(1, 1)),
    "a weight of another type": weight(lambda old: old.double()),
    "a weight that is text": weight("weight"),
    "a weight of no number": weight(lambda old: old * float("nan")),
    "a sparse weight": weight(lambda old: old.flatten().to_sparse()),
    "a weight as large as memory": weight(lambda old: torch.zeros(1).expand(10**12)),
    "a storage that claims too much": claimed,
    "a net as large as memory": recipe("stem_width", "model", 8192),
    "wide everywhere": recipe("stage_widths", "model", [8192] * 5),
    "another charset": recipe("charset", "data", "0123"),
    "half of it": lambda good: good[: len(good) // 2],
    "twice": lambda good: good + good,
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(good: Path, reader: Reader, work: Path, name: str) -> None:
    (work / "odd.ckpt").write_bytes(CHECKPOINTS[name]((good / "net.ckpt").read_bytes()))
    told = judge(reader.run(["read", "odd.ckpt", "word.png"], work), ["odd.ckpt"])
    assert told == REFUSED or name in ("twice", "a storage that claims too much")
    assert not (work / "ran").exists()


def test_a_set_cut_short_anywhere(good: Path, reader: Reader, work: Path) -> None:
    data = (good / "words" / "data.mdb").read_bytes()
    for size in (1, 100, 4096, 8192, 12_288, len(data) // 2, len(data) - 4096, len(data) - 1):
        (work / "words" / "data.mdb").write_bytes(data[:size])
        assert judge(reader.run(["evaluate", "net.ckpt", "words"], work), ["words"]) == REFUSED, size


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
    for part in ("1 too long", "1 label not UTF-8", "1 empty label", "2 no known", "2 undecodable"):
        assert part in ending.out
