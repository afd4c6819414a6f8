"""Which labels can be used, and many of them in little memory. Light: no torch."""

from __future__ import annotations

import re
from array import array
from itertools import pairwise

import numpy as np

from autostr_nni.data.charset import Charset
from autostr_nni.recipe.words.sources import FilterName

#: Longer labels are not even looked at.
MOST_BYTES = 10_000
#: Cause of a label that is more than a word: a second column, a second line, codes for a terminal.
CONTROL = "label with a tab or other control character"
#: Cause of a word that CTC has no alignment for.
REPEATS = "with more repeated characters than CTC has steps for"
#: In UTF-8: C0 and DEL, C1, and the separators of lines and paragraphs.
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def label_cause(
    raw: bytes,
    charset: Charset,
    max_length: int,
    only: FilterName | None = None,
    steps: int | None = None,
) -> tuple[str, int]:
    """Why a label cannot be used ("" if it can) and how many of its characters the charset lacks.

    ``only`` is the filter of its set; ``steps`` are those of CTC, where the words are for it.
    """
    if not raw:
        return "empty label", 0
    if len(raw) > MOST_BYTES:
        return "too long", 0
    try:
        kept, removed = charset.count(raw)
    except UnicodeDecodeError:
        return "label not UTF-8", 0
    if has_control(raw):
        return CONTROL, 0
    if only is not None and (dropped := _dropped(raw.decode(), only)):
        return dropped, removed
    if not kept:
        return "no known character", removed
    if kept > max_length:
        return "too long", removed
    # Between two that are alike CTC needs a step of its own.
    if steps is not None and 2 * kept > steps and kept + _doubled(charset.clean(raw.decode())[0]) > steps:
        return REPEATS, removed
    return "", removed


def _doubled(text: str) -> int:
    """Characters that are those before them."""
    return sum(one == other for one, other in pairwise(text))


def _dropped(text: str, only: FilterName) -> str:
    """What a filter drops a label for; "" where it keeps it."""
    if not (text.isascii() and text.isalnum()):
        return "not of 0-9, a-z and A-Z alone (filter)"
    return "of less than three characters (filter)" if only == "alphanumeric_3" and len(text) < 3 else ""


def has_control(raw: bytes) -> bool:
    """Whether a UTF-8 label holds a tab, a line's end or another control character."""
    return _CONTROL.search(raw) is not None


class Labels:
    """The labels of a set, one behind the other: besides its text, one takes 4 bytes (8 beyond 4 GiB).

    Nothing in it is counted or moved when it is read, so processes that are forked share it.
    """

    def __init__(self) -> None:
        self._added = bytearray()
        self._text = b""
        self._lengths = array("H")
        self._starts = np.zeros(1, np.uint32)

    def append(self, raw: bytes) -> None:
        """Add a label of at most ``MOST_BYTES``."""
        self._added += raw
        self._lengths.append(len(raw))

    def finish(self, kept: np.ndarray | None = None) -> None:
        """Get ready to be read, with the labels of the numbers ``kept`` alone or with all that were added."""
        lengths = np.frombuffer(self._lengths, np.uint16) if self._lengths else np.zeros(0, np.uint16)
        self._text, self._starts = bytes(self._added), _starts(lengths)
        if kept is not None:
            self._text, self._starts = b"".join(self.of(kept)), _starts(lengths[kept])
        self._added, self._lengths = bytearray(), array("H")

    def of(self, numbers: np.ndarray) -> list[bytes]:
        """The labels of these numbers, from 0."""
        text = self._text
        first, last = self._starts[numbers].tolist(), self._starts[numbers + 1].tolist()
        return [text[start:end] for start, end in zip(first, last, strict=True)]


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where each label begins, and where the last one ends."""
    kind = np.uint32 if int(lengths.sum(dtype=np.int64)) < 2**32 else np.int64
    starts = np.zeros(len(lengths) + 1, kind)
    np.cumsum(lengths, dtype=kind, out=starts[1:])
    return starts
