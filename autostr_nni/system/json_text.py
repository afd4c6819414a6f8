"""JSON that somebody else wrote, or that a stop has cut: what cannot be read is none. Light."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autostr_nni.system.errors import InputError
from autostr_nni.system.text_files import read_text

MOST = 64 << 20  # bytes of a file of ours


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file; empty where the file is absent, half written or damaged."""
    try:
        content = json.loads(read_text(path, most=MOST))
    except (InputError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All JSON objects of a file, one a line, up to the first line that is none; none where it is absent."""
    lines = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                content = json.loads(line)
                if not isinstance(content, dict):
                    break
                lines.append(content)
    except (OSError, ValueError, RecursionError):  # absent, torn or damaged
        pass
    return lines


def unread_lines(path: Path) -> int:
    """How many lines `read_lines` leaves out: the first damaged one and all after it, not a torn last one."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n") and line.strip()]
    return max(0, len(whole) - len(read_lines(path)))


def unpacked(data: Any) -> Any:
    """What NNI packs as JSON within JSON. Raises ValueError where it is damaged."""
    try:
        while isinstance(data, str):
            data = json.loads(data)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    return data
