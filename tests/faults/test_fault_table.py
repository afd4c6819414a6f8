"""The table of faults in docs/reliability.md is of the faults that are tried, and all of them have held."""

from __future__ import annotations

import re
from pathlib import Path

from fault_cases import CASES, table, with_table
from fault_strategies import STRATEGIES
from killed_at_random import WATCHED

FOLDER = Path(__file__).parent
PAGE = (FOLDER.parents[1] / "docs/reliability.md").read_text(encoding="utf-8")


def test_the_page_has_every_fault() -> None:
    (text,) = re.findall(r"<!-- faults -->\n(.*?)<!-- end of faults -->", PAGE, re.S)
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text.strip().splitlines()[2:]
    ]
    assert [row[:3] for row in rows] == list(CASES.values())
    assert [
        row for row in rows if row[3] in ("", "(not run)", "**it failed**") or not row[4].isdecimal()
    ] == []


def test_a_run_writes_its_table_into_the_page() -> None:
    written = with_table(PAGE, table({}))
    assert written.count("| (not run) |") == len(CASES)
    rows = len(table({}).splitlines())
    assert len(written.splitlines()) == len(PAGE.splitlines()) and rows == len(CASES) + 2
    assert with_table(written, re.findall(r"<!-- faults -->\n(.*?)<!-- end", PAGE, re.S)[0]) == PAGE


def test_every_fault_is_tried() -> None:
    tried = "".join(file.read_text(encoding="utf-8") for file in FOLDER.glob("test_*.py"))
    names = set(re.findall(r'fault\(f?"([^"]+)"\)', tried))
    kinds = {
        "{what}": ("checkpoint", "state"),
        "{name}": ("kill", "term", "int"),
        "{strategy}": (*STRATEGIES,),
    }
    for mark, values in kinds.items():
        names = {name.replace(mark, value) for name in names for value in (values if mark in name else ("",))}
    assert names == set(CASES)


def test_what_the_random_kills_watch_is_there() -> None:
    """A function that moved to another file is noticed by `make test`, not first by `make faults`."""
    assert [name for owner, name, _ in WATCHED if not callable(getattr(owner, name, None))] == []
