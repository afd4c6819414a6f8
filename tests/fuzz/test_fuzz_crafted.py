"""Text files and places made to do harm: aliases upon aliases, code in tags, links in circles, pipes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzz_good import ARCHITECTURE, RECIPE
from fuzz_worker import COUNTED, REFUSED, Reader, judge

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
    assert judge(reader.run(argv, work), ["odd"], "odd: (not an image|cannot be read)") in (REFUSED, COUNTED)
