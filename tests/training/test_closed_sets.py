"""Of many trials in one process none keeps its sets open, whoever still holds the objects of training."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Killed, Log


@pytest.fixture(autouse=True)
def _nothing_is_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def open_files() -> list[str]:
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(handle))
    return found


@pytest.mark.parametrize("stop_at", [0, 1], ids=["to its end", "stopped"])
def test_a_trial_closes_its_sets(tmp_path: Path, make_recipe, proposal, stop_at: int) -> None:
    """Sets of training and validation, and the test sets of a whole training."""
    with contextlib.suppress(Killed):
        run_proposal(proposal, make_recipe(), tmp_path, Log(stop_at))
    assert [path for path in open_files() if path.endswith("data.mdb")] == []
