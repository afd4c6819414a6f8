"""Reports of a trial that goes on, and a search that ends for want of space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from autostr_nni.nni import proposing as tuner_module
from autostr_nni.nni import state
from autostr_nni.nni.trial_side import reported
from autostr_nni.nni.trial_side.reported import Reported
from autostr_nni.nni.tuner import StrategyTuner
from autostr_nni.recipe import recipe_from
from autostr_nni.strategies import build
from autostr_nni.system.files import NoSpace
from autostr_nni.trial import Reports, repeated_by


def lines(count: int) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "loss": 1.0} for epoch in range(count)]


class Manager:
    """NNI's list of a trial's reports: packed twice, and with another trial's."""

    epochs: tuple[int, ...] = ()
    gone = False

    @classmethod
    def of_trial(cls) -> Manager:
        return cls()

    def get(self, path: str) -> list[dict[str, Any]]:
        if self.gone:
            raise requests.ConnectionError
        assert path == "metric-data/abcde?type=PERIODICAL"
        packed = [json.dumps(json.dumps({"epoch": epoch})) for epoch in self.epochs]
        mine = [{"trialJobId": "abcde", "data": data} for data in packed]
        return [*mine, {"trialJobId": "other", "data": json.dumps({"epoch": 9})}]


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(reported, "Manager", Manager)
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "abcde")
    monkeypatch.setenv("NNI_PLATFORM", "local")
    return monkeypatch


def owed(of: Reported, metrics: dict[str, Any], final: bool = False) -> list[int]:
    return [line["epoch"] for line in of.owed(metrics, final)]


def test_what_nni_has_is_not_sent_again_and_what_it_lacks_is(manager: pytest.MonkeyPatch) -> None:
    manager.setattr(Manager, "epochs", (0, 1))
    assert owed(Reported(lambda: lines(2)), lines(2)[1]) == []  # an epoch that is repeated
    assert owed(Reported(lambda: lines(4)), lines(4)[3]) == [2, 3]  # killed before it reported epoch 2
    assert owed(Reported(lambda: lines(3)), lines(3)[2], final=True) == [2]
    trial = Reported(lambda: lines(3))
    for line in trial.owed(lines(3)[2], False):
        trial.sent(line)
    assert owed(trial, lines(3)[2], final=True) == []


def test_a_manager_that_cannot_be_asked(manager: pytest.MonkeyPatch) -> None:
    manager.setattr(Manager, "gone", True)
    assert owed(Reported(lambda: lines(3)), lines(3)[2]) == [2]
    assert owed(Reported(lambda: lines(3)), lines(3)[2], final=True) == []


def test_a_report_that_was_not_taken_is_sent_with_the_next(manager: pytest.MonkeyPatch) -> None:
    import nni

    sent: list[tuple[int, int]] = []
    broken = [True, False, False]

    def send(metrics: dict[str, Any]) -> None:
        if broken.pop(0):
            raise requests.ConnectionError("gone for a moment")
        sent.append((nni.trial._intermediate_seq, metrics["epoch"]))

    manager.setattr(nni, "report_intermediate_result", send)
    done: list[dict[str, Any]] = []
    reports = Reports("train", lines=lambda: done)
    for line in lines(2):
        done.append(line)
        reports(line, False)
    assert sent == [(0, 0), (1, 1)]


def test_trials_that_repeat_another(tmp_path: Path) -> None:
    for name, path in (("a", "AABBB"), ("b", "ABABB"), ("c", "AABBB")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "parameters.json").write_text(json.dumps({"parameters": {"stride_path": path}}))
    assert repeated_by(tmp_path / "c", {"stride_path": "AABBB"}) == [tmp_path / "a"]


def test_a_trial_without_space_is_not_counted_as_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The search ends; started again, the trial is given out again, and the note of old does not end it."""
    recipe = recipe_from({"data": {"train": ["/a"], "validation": ["/b"]}}, Path("/"))
    monkeypatch.setattr(tuner_module, "experiment_folder", lambda: tmp_path)
    monkeypatch.setattr(tuner_module.manager_side, "unfinished_trials", dict)
    monkeypatch.setenv("NNI_MODE", "start")
    faults: list[Exception] = []
    monkeypatch.setattr(StrategyTuner, "_fail", lambda self, error: faults.append(error))
    tuner = StrategyTuner(build("two-step", recipe))
    given = tuner.generate_multiple_parameters([0, 1], st_callback=lambda *_: None)
    trial = tmp_path / "environments/local-env/trials/abcde"
    trial.mkdir(parents=True)
    state.note_no_space(trial, "/disk: nothing more can be written there")
    tuner._settle(0)
    assert isinstance(faults[0], NoSpace) and str(faults[0]) == "/disk: nothing more can be written there"
    tuner.receive_trial_result(1, "", {"default": 0.1, "loss": 1.0})

    monkeypatch.setenv("NNI_MODE", "resume")
    monkeypatch.setattr(tuner_module.time, "time", lambda: (trial / state.NO_SPACE).stat().st_mtime + 1)
    again = StrategyTuner(build("two-step", recipe))
    assert again.generate_multiple_parameters([20], st_callback=lambda *_: None) == given[:1]
    again._settle(20)
    assert len(faults) == 1 and [t.id for t in again.strategy.trials if t.status == "failed"]
