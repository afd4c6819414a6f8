"""Rounds of a measurement that has not ended, in a file beside the table: a killed one goes on. Light."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autostr_nni.search_spaces.latency import FORMAT, unfinished
from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.files import told_if_full, write_atomic
from autostr_nni.system.json_text import read_lines
from autostr_nni.system.locks import is_held


@dataclass(frozen=True)
class Round:
    """What one round found, in nanoseconds: the stem, the blocks and the whole nets in their order."""

    seconds: float
    stem: int
    blocks: Sequence[int]
    nets: Sequence[int]


class KeptRounds:
    """A line for what is measured, and a line for each round. Held until `close`, or the process's end.

    Raises:
        InputError: the file is there and is of another measurement, or no such file, or cannot be written; or
            another process measures for the same table.
    """

    def __init__(self, table: Path, about: dict[str, Any], blocks: int, nets: int) -> None:
        self.path = unfinished(table)
        self.about = json.loads(json.dumps({"format": f"{FORMAT}, unfinished", **about}))
        self.rounds: list[Round] = []
        if is_held(self.path):  # two at a time would measure each other besides
            raise InputError(f"{table}: is being measured by another process; wait, or name another table")
        if self.path.exists():
            self._read(blocks, nets)
        lines = [json.dumps(line) for line in (self.about, *map(asdict, self.rounds))]
        try:
            write_atomic(self.path, "".join(f"{line}\n" for line in lines))  # without a torn last line
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{table}: cannot be written: {error.strerror or error}; name another") from None
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _read(self, blocks: int, nets: int) -> None:
        lines = read_lines(self.path)
        if not lines or lines[0].get("format") != self.about["format"]:
            raise InputError(f"{self.path}: is no measurement of latency; name another table")
        for key, now in self.about.items():
            if lines[0].get(key) != now:
                other = {"settings": "other settings"}.get(key, f"another {key}")
                raise InputError(
                    f"{self.path}: is a measurement of {other}{_differing(now, lines[0].get(key))}; "
                    "remove the file, or name another table"
                )
        for line in lines[1:]:
            found = _round(line, blocks, nets)
            if found is None:
                break
            self.rounds.append(found)

    def add(self, found: Round) -> None:
        """Keep one more round."""
        self.rounds.append(found)
        with told_if_full(self.path.parent):
            self._file.write(json.dumps(asdict(found)) + "\n")
            self._file.flush()

    def remove(self) -> None:
        """The table is written: nothing is left to go on with."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):  # a full disk, which was told when the round was written
            self._file.close()


def _differing(now: Any, then: Any) -> str:
    """The first value that differs, with both, for the sentence."""
    if isinstance(now, dict) and isinstance(then, dict):
        for key in (*now, *then):
            if now.get(key) != then.get(key):
                return f": {key} was {shown(then.get(key))} and is {shown(now.get(key))}"
    return f": it was {shown(then)} and is {shown(now)}"


def _round(line: dict[str, Any], blocks: int, nets: int) -> Round | None:
    """A round out of its line; None where it is damaged."""
    try:
        found = Round(**line)
        times = [found.stem, *found.blocks, *found.nets]
    except TypeError:
        return None
    whole = all(type(time) is int for time in times) and type(found.seconds) in (int, float)
    return found if whole and (len(found.blocks), len(found.nets)) == (blocks, nets) else None
