"""A whole search through the tuner, whose trials end in any order, and die where a test says so."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.nni import proposing as tuner_module
from autostr_nni.nni.state import read_state
from autostr_nni.nni.tuner import StrategyTuner
from autostr_nni.strategies.core import Book

Parameters = dict[str, Any]


class Now:
    """A timer that does not wait."""

    def __init__(self, seconds: float, function: Any, arguments: list[Any]) -> None:
        self.start = lambda: function(*arguments)


def state_after(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    strategy: Book,
    concurrency: int,
    seed: int,
    dies: Callable[[Parameters], bool],
    report: Callable[[Parameters], Any],
) -> dict[str, Any]:
    """The state at the end; ``dies`` is asked once for every trial that ends, ``report`` for its result."""
    monkeypatch.setattr(tuner_module, "experiment_folder", lambda: folder)
    monkeypatch.setattr(tuner_module.threading, "Timer", Now)
    monkeypatch.setattr(tuner_module.manager_side, "declare_done", lambda: None)
    tuner = StrategyTuner(strategy)
    running: dict[int, Parameters] = {}
    rng, asked = random.Random(seed), 0
    while not tuner.strategy.finished:
        ids = list(range(asked, asked + concurrency - len(running)))
        asked += len(ids)
        given = tuner.generate_multiple_parameters(ids, st_callback=running.__setitem__)
        running.update(zip(ids, given, strict=False))
        number = rng.choice(sorted(running))
        parameters = running.pop(number)
        dead = dies(parameters)
        if not dead:
            tuner.receive_trial_result(number, "", report(parameters))
        tuner.trial_end(number, not dead)
    return read_state(folder)["state"]
