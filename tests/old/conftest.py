"""Searches that version 0.1.0 left on disk, with their sets, in a folder of the test's own."""

from __future__ import annotations

import io
import random
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from autostr_nni.data.sets.lmdb_write import write_lmdb

RECORDING = Path(__file__).with_name("searches_of_0_1_0.tar.xz")
PLACE = "/recording"  # where it was made
EXPERIMENT = "tbmqj074"
SETS = {"train": 20, "validation": 10, "test": 6}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder with all of it, as if it had been made there."""
    with tarfile.open(RECORDING) as archive:
        archive.extractall(tmp_path, filter="data")
    for path in tmp_path.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".yml"):
            path.write_text(path.read_text().replace(PLACE, str(tmp_path)))
    with closing(sqlite3.connect(tmp_path / "experiments" / EXPERIMENT / "db" / "nni.sqlite")) as base, base:
        for table, column in (
            ("ExperimentProfile", "params"),
            ("ExperimentProfile", "logDir"),
            ("TrialJobEvent", "logPath"),
        ):
            base.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", [PLACE, str(tmp_path)])
    for seed, (name, count) in enumerate(SETS.items()):
        write_lmdb(tmp_path / name, words(count, seed))
    return tmp_path


def words(count: int, seed: int) -> list[tuple[bytes, str]]:
    """Words of one to three characters out of 0123: every character is a bar, whose height is its value."""
    rng = random.Random(seed)
    texts = ["".join(rng.choices("0123", k=rng.randint(1, 3))) for _ in range(count)]
    return [(word_image(text, rng), text) for text in texts]


def word_image(text: str, rng: random.Random) -> bytes:
    image = Image.new("RGB", (10 * len(text) + 4, 16), (rng.randrange(200, 256),) * 3)
    draw = ImageDraw.Draw(image)
    for place, character in enumerate(text):
        left = 4 + 10 * place
        draw.rectangle([left, 12 - 3 * int(character), left + 5, 14], fill=(rng.randrange(60),) * 3)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
