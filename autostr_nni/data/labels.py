"""Which labels can be used. Light: no torch."""

from __future__ import annotations

from autostr_nni.data.charset import Charset

#: Longer labels are not even looked at.
MOST_BYTES = 10_000


def label_cause(raw: bytes, charset: Charset, max_length: int) -> tuple[str, int]:
    """Why a label cannot be used ("" if it can) and how many of its characters the charset lacks."""
    if not raw:
        return "empty label", 0
    if len(raw) > MOST_BYTES:
        return "too long", 0
    try:
        kept, removed = charset.count(raw)
    except UnicodeDecodeError:
        return "label not UTF-8", 0
    if not kept:
        return "no known character", removed
    return ("too long" if kept > max_length else ""), removed
