"""The rows of the table: read, and added one at a time so that a kill loses at most the nets in flight."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("table.jsonl")


def load(file: Path = TABLE) -> list[dict[str, Any]]:
    """All rows; one that a kill cut short at the end of the file is left out."""
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]  # what follows the last line's end is no whole row
    return [json.loads(line) for line in lines]


def append(row: dict[str, Any], file: Path = TABLE) -> None:
    """Add a row, on the disk when this returns; the remains of one cut short are taken away first."""
    with file.open("ab+") as out:
        out.seek(0)
        whole = out.read().rfind(b"\n") + 1
        out.truncate(whole)
        out.write((json.dumps(row) + "\n").encode())
        out.flush()
        os.fsync(out.fileno())


def key(row: dict[str, Any]) -> str:
    """What tells a row from all others: the net and its seed."""
    return f"{row['architecture']} {row['seed']}"
