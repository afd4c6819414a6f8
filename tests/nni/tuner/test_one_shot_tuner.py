"""One-shot through the tuner: four trials at a time, early and late deaths: the right rows in any order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.nni.experiment.tuners import strategy_of
from autostr_nni.nni.trial_side.figures import for_nni, from_nni
from autostr_nni.nni.tuner import OneShotTuner
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.one_shot import OneShot
from tests.nni.tuner.tuner_search import state_after

SPACE = SearchSpace()
NETS = [SPACE.sample(random.Random(seed)).text for seed in range(5)]


def figures(parameters: dict[str, Any]) -> dict[str, Any]:
    """The result of a trial, which tells what it was run with, as NNI hands it on."""
    place = random.Random(json.dumps(parameters, sort_keys=True)).random()
    found: dict[str, Any] = {"default": place, "loss": 1 - place}
    if parameters["step"] == "ranking":
        found |= {"architecture": NETS[0], "finalists": " ".join(NETS)}
    return found


def searched(monkeypatch: pytest.MonkeyPatch, folder: Path, concurrency: int, seed: int) -> dict[str, Any]:
    """The state after a whole search of which the first trial of each step dies, some before any report."""
    died: set[str] = set()

    def dies(parameters: dict[str, Any]) -> bool:
        name = parameters.get("weights", parameters["step"])
        if name not in ("supernet", "ranking", "finalist-2") or name in died:
            return False
        died.add(name)
        return True

    def report(parameters: dict[str, Any]) -> Any:
        return for_nni(figures(parameters), parameters["step"], True)  # type: ignore[arg-type]

    state = state_after(monkeypatch, folder, OneShot(SPACE, 5), concurrency, seed, dies, report)
    assert died == {"supernet", "ranking", "finalist-2"}
    return state


@pytest.mark.parametrize("concurrency", [1, 4])
def test_no_row_is_wrong_and_all_end_alike(monkeypatch, tmp_path: Path, concurrency: int) -> None:
    states = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        states.append(searched(monkeypatch, folder, concurrency, seed))
    assert all(state == states[0] for state in states)
    trials = states[0]["trials"]
    done = [trial for trial in trials if trial["status"] == "done"]
    assert len(done) == 7 and len(trials) == 10
    for trial in done:
        told = figures(trial["parameters"])
        assert trial["metrics"] == dict(from_nni(for_nni(told, trial["parameters"]["step"], True)))  # type: ignore[arg-type]


def test_supernet_and_ranking_are_not_compared_on_the_page() -> None:
    for step, has in (("supernet", False), ("ranking", False), ("train", True)):
        assert ("default" in for_nni({"default": 0.5, "loss": 1.0}, step, True)) == has


def test_the_yaml_names_it_by_its_tuner() -> None:
    assert strategy_of({"className": f"autostr_nni.nni.tuner.{OneShotTuner.__name__}"}) == "one-shot"
