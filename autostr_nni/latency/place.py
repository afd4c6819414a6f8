"""Where a table may be written. Light: asked before anything is measured."""

from __future__ import annotations

from pathlib import Path

from autostr_nni.search_spaces.latency import FORMAT
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import check_new_file
from autostr_nni.system.json_text import read_json


def check_place(file: Path) -> None:
    """Raise InputError where a table cannot be written, or would take the place of something else."""
    check_new_file(file)
    if file.exists() and read_json(file).get("format") != FORMAT:
        raise InputError(f"{file}: is there and is no latency table; name another file")
