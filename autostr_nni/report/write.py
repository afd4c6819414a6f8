"""A report's folder: report.html, report.json, figures and data. Written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autostr_nni.latency.settings import Settings
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.records import Report
from autostr_nni.strategies.core import plain
from autostr_nni.system.errors import InputError
from autostr_nni.system.json_text import read_json

PARTS = ("report.json", "report.html", "figures", "data")  # the first tells that the folder is a report's


def check_free(folder: Path, force: bool) -> None:
    """Raise InputError where the folder exists, unless ``force``.

    A file is refused in any case, and so is a folder in which something else would be written over.
    """
    if folder.is_dir() and not force:
        raise InputError(f"--out {folder}: exists; give another folder, or --force to write a report anew")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file; give a folder")
    taken = [part for part in PARTS if (folder / part).exists()]
    if taken and "autostr" not in read_json(folder / "report.json"):
        raise InputError(f"--out {folder}: has {', '.join(taken)} that no report wrote; give another folder")


def write_report(
    histories: Sequence[SearchHistory], folder: Path, force: bool = False, latency: Settings | None = None
) -> Report:
    """Make the report of searches in ``folder`` and return its data.

    With ``force``, an earlier report there is replaced; other files of the folder stay. Reading is timed on
    ``latency``, where it is given: some seconds for each search.
    """
    from autostr_nni.report.analysis import analyse
    from autostr_nni.report.figures.pictures import draw_all
    from autostr_nni.report.latency import reading_costs
    from autostr_nni.report.page import render
    from autostr_nni.report.tables import csv_files

    check_free(folder, force)
    report: Report = plain(analyse(histories))
    if latency is not None:
        report["reading"] = reading_costs(report, histories, latency)
    pictures = draw_all(report)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written: {error.strerror}") from None
    try:
        _write(draft / "report.html", render(report, pictures))
        _write(draft / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        for part in ("figures", "data"):
            (draft / part).mkdir()
        for picture in pictures:
            (draft / "figures" / f"{picture.name}.svg").write_bytes(picture.svg)
            (draft / "figures" / f"{picture.name}.png").write_bytes(picture.png)
        for name, content in csv_files(report).items():
            _write(draft / "data" / name, content)
        _put(draft, folder)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return report


def _write(path: Path, text: str) -> None:
    # A name in a damaged file may hold half of a character: JSON and people can read it escaped.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _put(draft: Path, folder: Path) -> None:
    """Move the parts into place, over those of an earlier report."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        old = folder / part
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
        (draft / part).rename(old)
