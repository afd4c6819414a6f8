"""What an assessor is asked, and what counts of a trial that it stops: in NNI's dispatcher, and for real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from nni import dump
from nni.assessor import Assessor, AssessResult
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.runtime.tuner_command_channel import CommandType

from autostr_nni.nni import proposing as tuner_module
from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.nni.rows import final_metrics, metrics_that_count
from autostr_nni.nni.tuner import StrategyTuner
from autostr_nni.report.reading.nni_history import read_experiment
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.core import Book, reached
from autostr_nni.strategies.random_search import RandomSearch
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.errors import InputError

SPACE = SearchSpace()
ARCHITECTURE = SPACE.default_architecture(SPACE.typical_paths()[1], "k3e1")


class Strict(Assessor):  # type: ignore[misc]
    """Stops every trial that it is asked about in its second epoch."""

    def __init__(self) -> None:
        self.asked: dict[str, list[Any]] = {}

    def assess_trial(self, trial_job_id: str, trial_history: list[Any]) -> AssessResult:
        self.asked[trial_job_id] = list(trial_history)
        return AssessResult.Bad if len(trial_history) > 1 else AssessResult.Good


class Manager:
    """NNI's manager as the dispatcher sees it."""

    def __init__(self, strategy: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        class Now:
            def __init__(self, seconds: float, function: Any, arguments: list[Any]) -> None:
                self.start = lambda: function(*arguments)

        monkeypatch.setattr(tuner_module.threading, "Timer", Now)
        self.strategy, self.assessor = strategy, Strict()
        self.dispatcher = MsgDispatcher("ws://_unittest_assessor_", StrategyTuner(strategy), self.assessor)
        self.trials: dict[int, dict[str, Any]] = {}
        self.killed: list[str] = []
        monkeypatch.setattr(self.dispatcher, "send", self.take)
        monkeypatch.setattr("nni.runtime.msg_dispatcher._next_parameter_id", 0)
        self.ask(4)

    def take(self, command: CommandType, data: str) -> None:
        content = json.loads(data) if data else None
        if command is CommandType.NewTrialJob:
            self.trials[content["parameter_id"]] = content["parameters"]
        elif command is CommandType.KillTrialJob:
            self.killed.append(content)

    def ask(self, count: int) -> None:
        self.dispatcher.process_command(CommandType.RequestTrialJobs, count)

    def job(self, number: int) -> str:
        return f"{id(self)}-{number}"  # NNI keeps what has ended for the whole process

    def report(self, number: int, value: dict[str, Any], sequence: int = 0, kind: str = "PERIODICAL") -> None:
        data = {"parameter_id": number, "trial_job_id": self.job(number), "type": kind, "sequence": sequence}
        self.dispatcher.process_command(CommandType.ReportMetricData, {**data, "value": dump(value)})

    def end(self, number: int, event: str = "SUCCEEDED") -> None:
        packed = json.dumps({"parameter_id": number, "parameters": self.trials[number]})
        data = {"trial_job_id": self.job(number), "event": event, "hyper_params": packed}
        self.dispatcher.process_command(CommandType.TrialEnd, data)
        self.ask(1)


def test_it_is_asked_about_paths_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(TwoStep(SPACE, SPACE.typical_paths()[:3]), monkeypatch)
    assert len(manager.trials) == 3
    manager.report(0, {"default": 0.1, "loss": 2.0, "epoch": 0}, 0)
    manager.report(0, {"default": 0.3, "loss": 1.0, "epoch": 1}, 1)
    assert manager.killed == [manager.job(0)]
    manager.end(0, "EARLY_STOPPED")
    trial = manager.strategy.trials[0]
    assert trial.status == "done" and trial.metrics == {"default": 0.3, "loss": 1.0, "epoch": 1}
    for number, loss in ((1, 0.5), (2, 3.0)):
        manager.report(number, {"default": 0.2, "loss": loss}, kind="FINAL")
        manager.end(number)
    # Neither the operator search nor the net's training is shown to it.
    path = manager.trials[3]["stride_path"]
    found = SPACE.default_architecture(next(p for p in SPACE.typical_paths() if p.text() == path), "k3e1")
    for number, more in ((3, {"architecture": found.text}), (4, {})):
        assert manager.trials[number]["step"] == ("operators" if number == 3 else "train")
        for sequence in range(3):
            manager.report(number, {"default": 0.0, "loss": 1.0, "epoch": sequence}, sequence)
        manager.report(number, {"default": 0.0, "loss": 1.0, **more}, kind="FINAL")
        manager.end(number)
    assert manager.killed == [manager.job(0)] and set(manager.assessor.asked) == {manager.job(0)}
    assert manager.strategy.finished and manager.strategy.failure is None


@pytest.mark.parametrize("event", ["EARLY_STOPPED", "FAILED"])  # as NNI's manager calls it, mended and not
def test_of_random_nets_the_best_epoch_counts(monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    manager = Manager(RandomSearch(SPACE, 3, seed=1), monkeypatch)
    for number in range(3):
        manager.report(number, {"default": 0.5 + number / 10, "loss": 1.0}, 0)
        manager.report(number, {"default": 0.2, "loss": 0.9}, 1)
        manager.end(number, event)
    assert len(manager.killed) == 3
    assert manager.strategy.best is not None and manager.strategy.best["metrics"]["default"] == 0.7
    assert len(manager.trials) == 3 and manager.strategy.finished  # none is repeated


def test_a_trial_stopped_before_its_first_report_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(RandomSearch(SPACE, 1, seed=1), monkeypatch)
    manager.end(0, "EARLY_STOPPED")
    assert manager.trials[1] == manager.trials[0]
    manager.report(1, {"default": 0.5, "loss": 1.0}, 0)
    manager.end(1, "USER_CANCELED")  # what the user takes out does not count
    assert manager.strategy.finished and "could be trained" in str(manager.strategy.failure)


def test_what_counts() -> None:
    reports = [{"default": 0.4, "loss": 3.0}, {"default": 0.6, "loss": 2.0}, {"default": 0.5, "loss": 1.0}]
    assert reached({"step": "path"}, reports) == reached({"step": "rung"}, reports) == reports[2]
    assert reached({"step": "train"}, reports) == reached({"lr": 0.1}, reports) == reports[1]
    assert reached({"step": "operators"}, reports) is None and reached({"step": "train"}, []) is None


def test_rows_of_stopped_trials(tmp_path: Path) -> None:
    place = tmp_path / "environments/local-env/trials/abcde"
    place.mkdir(parents=True)
    packed = [json.dumps({"parameters": {"step": "path", "stride_path": "ABABB"}})]
    row = {"trialJobId": "abcde", "status": "EARLY_STOPPED", "hyperParameters": packed}
    assert metrics_that_count(row, tmp_path) is None
    lines = [{"epoch": 0, "default": 0.5, "loss": 2.0}, {"epoch": 1, "default": 0.4, "loss": 1.0}]
    (place / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert metrics_that_count(row, tmp_path) == lines[1]
    assert metrics_that_count({**row, "status": "FAILED"}, tmp_path) is None
    final = {**row, "finalMetricData": [{"data": json.dumps(json.dumps({"default": 0.7}))}]}
    assert final_metrics(final) == {"default": 0.7}  # it was stopped when all was done


ASSESSOR = """
from nni.assessor import Assessor, AssessResult


class Strict(Assessor):
    def assess_trial(self, trial_job_id, trial_history):
        return AssessResult.Bad if len(trial_history) > 1 else AssessResult.Good
"""


@pytest.mark.slow("runs NNI")
def test_a_search_with_an_assessor(project: Any, tiny_search: Callable[..., Path]) -> None:
    """It stops all that it is asked about: both paths. The search still comes to its net."""
    config = yaml.safe_load(tiny_search(project.folder, search={"path": {"epochs": 60}}).read_text())
    (project.folder / "strict.py").write_text(ASSESSOR)
    config["assessor"] = {"className": "strict.Strict"}
    project.config.write_text(yaml.safe_dump(config))
    started = project.autostr("--json", "--out", str(project.experiments))
    output, told = started.communicate(timeout=180)
    assert started.returncode == 0, told
    result = json.loads(output)
    assert result["failed"] == [] and result["trials"] == 4 and len(result["paths"]) == 2
    assert result["best"]["test"]["numbers"]["words"] == 24
    assert all(2 * 48 <= row["images_seen"] < 60 * 48 for row in result["paths"])
    assert told.count("was stopped early; it counts with what it had reached after epoch") == 2
    history = read_experiment(Path(result["folder"]))
    assert [trial.status for trial in history.trials] == ["done"] * 4 and history.state == "finished"


@pytest.mark.parametrize(
    ("assessor", "sentence"),
    [
        (
            {"name": "Medianstopp"},
            "assessor.name 'Medianstopp' is none of Medianstop, Curvefitting; the nearest is",
        ),
        (
            {"name": "Medianstop", "classArgs": {"start": 3}},
            "assessor.classArgs are not those of MedianstopAssessor",
        ),
        (
            {"name": "Medianstop", "classArgs": {"optimize_mode": "max"}},
            "assessor.classArgs.optimize_mode must be maximize or minimize, not ",
        ),
        (
            {"name": "Curvefitting", "classArgs": {"epoch_num": "all"}},
            "not those of CurvefittingAssessor: .*epoch_num",
        ),
        ({"name": "Medianstop", "classArgs": [1]}, "assessor.classArgs must be like"),
        ({"className": "nowhere.Assessor"}, "assessor.className 'nowhere.Assessor' does not exist"),
        ({"name": "Medianstop", "className": "a.B"}, "assessor has both a name and a className"),
        ({"nam": "Medianstop"}, "assessor: there is no key nam; the nearest is name"),
        ("Medianstop", "assessor must hold keys such as name"),
    ],
)
def test_assessors_that_are_none(tmp_path: Path, assessor: Any, sentence: str) -> None:
    (tmp_path / "recipe.yml").write_text("data: {train: [train], validation: [validation]}\n")
    tuner = {"className": "autostr_nni.nni.tuner.TwoStepTuner", "classArgs": {"recipe": "recipe.yml"}}
    config = {"trialCommand": "python -m autostr_nni.trial --recipe recipe.yml", "trialConcurrency": 1}
    config |= {"tuner": tuner, "trainingService": {"platform": "local"}, "assessor": assessor}
    (tmp_path / "experiment.yml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=sentence):
        load_experiment(tmp_path / "experiment.yml")
