"""What trials of an experiment wait for, as its manager tells it (``placing.cjs``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from autostr_nni.system.json_text import read_json

FILE = "waiting.json"
AGAIN = 180.0  # seconds after which what is still the case is told again


class Waiting:
    """Gives what is to be told of an experiment's wait: at once, when it changes, and every few minutes."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = folder / FILE
        self._clock = clock
        self._told: str | None = None
        self._when = 0.0

    def due(self) -> str | None:
        """A sentence that is to be told now."""
        content = read_json(self._file)
        told = content.get("told") if isinstance(content, dict) else None
        if not isinstance(told, str):
            over, self._told = self._told is not None, None
            return "the wait is over" if over else None
        if told == self._told and self._clock() - self._when < AGAIN:
            return None
        self._told, self._when = told, self._clock()
        return told
