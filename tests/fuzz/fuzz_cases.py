"""What the tests of malformed input share: folders to damage files in, and the run over many inputs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from fuzz_mutations import fuzzing
from hypothesis import given

SHORT = 16  # inputs of a kind in every test run
LONG = 240  # and in `make faults`
SHOWN = 40


def place(good: Path, work: Path, *names: str) -> Path:
    """An empty folder with good files."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in names:
        if (good / name).is_dir():
            shutil.copytree(good / name, work / name)
        else:
            shutil.copy(good / name, work / name)
    return work


def fuzz(strategy: Any, check: Any, examples: int) -> dict[str, int]:
    """Check so many inputs, all of them before the bad ones are told; how often each way was seen."""
    seen: dict[str, int] = {}
    bad: list[str] = []

    @fuzzing(examples)
    @given(strategy)
    def each(data: Any) -> None:
        try:
            way = check(data)
        except AssertionError as error:
            bad.append(f"{data!r:.1500}\n{error}")
        else:
            seen[way] = seen.get(way, 0) + 1

    each()
    assert not bad, f"{len(bad)} of {examples} inputs are taken badly:\n" + "\n\n".join(bad[:SHOWN])
    return seen


lengths = pytest.mark.parametrize("examples", [SHORT, pytest.param(LONG, marks=pytest.mark.faults)])
