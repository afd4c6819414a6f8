"""Lets the tests of this folder import their helpers, and writes the table of `make faults` into its page."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fault_cases import CASES, Row, table, with_table
from fault_search import CHANGES, Search

ROWS = pytest.StashKey[dict[str, Row]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(ROWS, {})
    # Jobs that a shell runs in the background ignore SIGINT, and so would the searches started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The table takes the short ones too, which `make test` runs."""
    for item in items if os.environ.get("FAULTS_TABLE") else ():
        if item.path.parent == Path(__file__).parent:
            item.add_marker("faults")


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Callable[[str], Row]:
    """`with fault("tuner-kill") as row:` what is done; `row.lost` is what it cost. Measures seconds."""

    def of(name: str) -> Row:
        assert name in CASES, f"fault_cases.py has no case {name}"
        row = Row(name)
        request.config.stash[ROWS][name] = row
        return row

    return of


@pytest.fixture
def search(tmp_path: Path, tiny_search: Callable[..., Path]) -> Iterator[Search]:
    """A search through NNI in a folder of its own; whatever it leaves is ended after the test."""
    made = Search(tmp_path / "search", tiny_search(tmp_path / "search", **CHANGES))
    yield made
    made.end()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    target = os.environ.get("FAULTS_TABLE")
    if target:
        text = table(config.stash[ROWS])
        page = Path(target)
        page.write_text(with_table(page.read_text(encoding="utf-8"), text), encoding="utf-8")
        terminalreporter.write_line(f"\n{text}\nwritten to {target}")
