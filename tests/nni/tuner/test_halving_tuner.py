"""Halving through the tuner: any number of trials at a time, ends in any order, deaths: the same search."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.halving import Halving
from autostr_nni.strategies.ladder import Ladder
from tests.nni.tuner.tuner_search import state_after


def figures(parameters: dict[str, Any]) -> dict[str, float]:
    """The result of a trial, which tells what it was run with."""
    place = random.Random(json.dumps(parameters, sort_keys=True)).random()
    return {"default": place, "loss": 1 - place}


def searched(monkeypatch: pytest.MonkeyPatch, folder: Path, concurrency: int, seed: int) -> dict[str, Any]:
    """The state after a whole search of which every ninth trial dies, early or late."""
    halving = Halving(SearchSpace(), Ladder((1, 3, 9)), 4, 0, 300_000_000, lookback=4)

    def dies(parameters: dict[str, Any]) -> bool:
        return random.Random(str(parameters)).random() < 1 / 9

    return state_after(monkeypatch, folder, halving, concurrency, seed, dies, figures)


@pytest.mark.parametrize("concurrency", [1, 2, 4, 7])
def test_no_row_is_wrong_and_all_end_alike(monkeypatch, tmp_path: Path, concurrency: int) -> None:
    states = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        states.append(searched(monkeypatch, folder, concurrency, seed))
    alone = tmp_path / "alone"
    alone.mkdir()
    expected = searched(monkeypatch, alone, 1, 0)
    assert all(state == expected for state in states)
    assert any(trial["status"] == "failed" for trial in expected["trials"])
    for trial in expected["trials"]:
        if trial["status"] == "done":
            assert trial["metrics"] == figures(trial["parameters"])
