"""Searches that version 0.1.0 left on disk, with their sets, in a folder of the test's own."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from autostr_nni.data.sets.lmdb_write import write_lmdb
from tests.training.conftest import words

RECORDING = Path(__file__).with_name("searches_of_0_1_0.tar.xz")
PLACE = "/recording"  # where it was made
EXPERIMENT = "tbmqj074"
SETS = {"train": 20, "validation": 10, "test": 6}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder with all of it, as if it had been made there."""
    with tarfile.open(RECORDING) as archive:
        # Python before 3.11.4 has no filters, and takes no such argument.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
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
