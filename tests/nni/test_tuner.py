"""The tuner without NNI's manager: barriers, failures, results of an earlier run, faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nni
import pytest

from autostr_nni.nni import manager_side
from autostr_nni.nni import proposing as tuner_module
from autostr_nni.nni.state import read_state, whole_state, write_state
from autostr_nni.nni.tuner import StrategyTuner
from autostr_nni.runs.layout import NNI_STATE
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.strategies.random_search import RandomSearch
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import previous_of

SPACE = SearchSpace()
ARCHITECTURE = SPACE.default_architecture(SPACE.typical_paths()[1], "k3e1")


class Manager:
    """NNI's side of the conversation: asks for trials, keeps what is sent later, tells results."""

    def __init__(self, tuner: StrategyTuner, concurrency: int) -> None:
        self.tuner = tuner
        self.sent: dict[int, dict[str, Any]] = {}
        self.next_id = 0
        self.no_more = False
        self.request(concurrency)

    def request(self, count: int) -> None:
        ids = list(range(self.next_id, self.next_id + count))
        self.next_id += count
        given = self.tuner.generate_multiple_parameters(ids, st_callback=self.send)
        for parameter_id, parameters in zip(ids, given, strict=False):
            self.send(parameter_id, parameters)
        self.no_more = len(given) < count

    def send(self, parameter_id: int, parameters: dict[str, Any]) -> None:
        assert parameter_id not in self.sent
        self.sent[parameter_id] = parameters

    def end(self, parameter_id: int, value: Any, success: bool = True) -> None:
        if value is not None:
            self.tuner.receive_trial_result(parameter_id, "", value)
        self.tuner.trial_end(parameter_id, success)
        self.request(1)


def two_step() -> TwoStep:
    return TwoStep(SPACE, SPACE.typical_paths())


def make(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path | None = None,
    resumed: bool = False,
    strategy: Strategy | None = None,
) -> StrategyTuner:
    monkeypatch.setattr(tuner_module, "experiment_folder", lambda: folder)
    monkeypatch.setenv("NNI_MODE", "resume" if resumed else "start")
    monkeypatch.setattr(StrategyTuner, "grace", 0.0)
    return StrategyTuner(strategy or two_step())


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trial that ended without a report count as failed at once, in this thread."""

    class Now:
        def __init__(self, seconds: float, function: Any, arguments: list[Any]) -> None:
            self.start = lambda: function(*arguments)

    monkeypatch.setattr(tuner_module.threading, "Timer", Now)


def path_result(parameters: dict[str, Any]) -> dict[str, float]:
    return {"default": 0.1, "loss": 1.0 if parameters["stride_path"] == ARCHITECTURE.path.text() else 2.0}


@pytest.mark.parametrize("concurrency", [1, 2, 4, 16])
def test_a_whole_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, concurrency: int) -> None:
    tuner = make(monkeypatch, tmp_path)
    manager = Manager(tuner, concurrency)
    for parameter_id in range(10):
        assert manager.sent[parameter_id]["step"] == "path"
        manager.end(parameter_id, path_result(manager.sent[parameter_id]))
    for step, value in (
        ("operators", {"default": 0.2, "loss": 1.0, "architecture": ARCHITECTURE.text}),
        ("train", {"default": 0.9, "loss": 0.1}),
    ):
        # Nobody asks again at a barrier: what is owed was sent when the last result came.
        (parameter_id,) = (key for key, item in manager.sent.items() if item["step"] == step)
        assert manager.sent[parameter_id]["stride_path"] == ARCHITECTURE.path.text()
        manager.end(parameter_id, value)
    assert len(manager.sent) == 12
    assert manager.no_more
    state = read_state(tmp_path)
    assert state["finished"] and state["failure"] is None and state["planned"] == 12
    assert {file.name for file in tmp_path.iterdir()} == {
        NNI_STATE,
        previous_of(Path(NNI_STATE)).name,
    }


def test_a_search_that_was_given_more_is_not_finished_any_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = RandomSearch(SPACE, 2, 0, 450_000_000)
    for proposal in few.suggest():
        few.observe(proposal.id, {"default": 0.5, "loss": 1.0})
    write_state(tmp_path, whole_state(few, None))
    assert read_state(tmp_path)["finished"]
    make(monkeypatch, tmp_path, resumed=True, strategy=RandomSearch(SPACE, 2, 0, 450_000_000))
    assert read_state(tmp_path)["finished"]
    make(monkeypatch, tmp_path, resumed=True, strategy=RandomSearch(SPACE, 5, 0, 450_000_000))
    assert not read_state(tmp_path)["finished"] and read_state(tmp_path)["planned"] == 5


def test_nothing_may_run_now(monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = make(monkeypatch)
    paths = [tuner.generate_parameters(number)["stride_path"] for number in range(10)]
    assert len(set(paths)) == 10
    with pytest.raises(nni.NoMoreTrialError):
        tuner.generate_parameters(10)


@pytest.mark.parametrize("success", [True, False])
def test_a_trial_without_a_result_is_repeated_once(monkeypatch: pytest.MonkeyPatch, success: bool) -> None:
    settle(monkeypatch)
    tuner = make(monkeypatch)
    manager = Manager(tuner, 10)
    manager.end(3, None, success)
    again = manager.sent[10]
    assert again == manager.sent[3]
    manager.end(10, None, success)
    assert len(manager.sent) == 11
    assert sum(trial.status == "failed" for trial in tuner.strategy.trials) == 2


def test_a_result_after_the_trials_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = make(monkeypatch)
    monkeypatch.setattr(StrategyTuner, "grace", 60.0)
    manager = Manager(tuner, 1)
    tuner.trial_end(0, True)
    tuner.receive_trial_result(0, "", path_result(manager.sent[0]))
    assert tuner.strategy.trials[0].status == "done"


def test_results_for_nobody_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = make(monkeypatch)
    manager = Manager(tuner, 1)
    tuner.receive_trial_result(7, "", 0.5)
    tuner.receive_trial_result(0, "", path_result(manager.sent[0]))
    tuner.receive_trial_result(0, "", {"default": 1.0, "loss": 0.0})
    assert tuner.strategy.trials[0].metrics == path_result(manager.sent[0])


def test_import_of_an_earlier_run(monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = make(monkeypatch)
    paths = [trial.parameters for trial in two_step().trials]
    # A later step before what leads to it, and a row of another search.
    data = [{"parameter": {"lr": 0.1}, "value": 0.3}]
    operators = {"step": "operators", "stride_path": ARCHITECTURE.path.text()}
    value = {"default": 0.2, "loss": 1.0, "architecture": ARCHITECTURE.text}
    data.append({"parameter": operators, "value": value})
    data += [{"parameter": item, "value": path_result(item)} for item in reversed(paths)]
    tuner.import_data(data)
    manager = Manager(tuner, 2)
    assert [item["step"] for item in manager.sent.values()] == ["train"]


def test_resume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settle(monkeypatch)
    tuner = make(monkeypatch, tmp_path)
    manager = Manager(tuner, 4)
    for parameter_id in (0, 1):
        manager.end(parameter_id, path_result(manager.sent[parameter_id]))
    manager.end(2, None, success=False)
    finished = [manager.sent[0], manager.sent[1]]

    # NNI starts again: it imports what had finished and runs again what was under way, here one of them.
    under_way = {"trialA": manager.sent[3]}
    ended: set[str] = set()
    monkeypatch.setattr(manager_side, "unfinished_trials", lambda: under_way)
    monkeypatch.setattr(manager_side, "ended_trials", lambda: ended)
    resumed = make(monkeypatch, tmp_path, resumed=True)
    resumed.import_data([{"parameter": item, "value": path_result(item)} for item in finished])
    manager = Manager(resumed, 3)
    for parameter_id in range(7):
        manager.end(parameter_id, path_result(manager.sent[parameter_id]))
    assert len(manager.sent) == 7  # eight paths were left, one of which NNI itself runs
    assert under_way["trialA"] not in manager.sent.values()

    # NNI does not tell of that trial's failure, only asks for the next.
    ended.add("trialA")
    manager.request(1)
    assert manager.sent[7] == under_way["trialA"]
    manager.end(7, path_result(manager.sent[7]))
    assert [item["step"] for item in manager.sent.values()][-1] == "operators"


def test_resume_takes_a_late_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = two_step().trials[0].parameters
    monkeypatch.setattr(manager_side, "unfinished_trials", lambda: {"trialA": first})
    monkeypatch.setattr(manager_side, "ended_trials", lambda: {"trialA"})
    resumed = make(monkeypatch, tmp_path, resumed=True)
    monkeypatch.setattr(manager_side, "ended_trials", set)
    manager = Manager(resumed, 1)
    assert manager.sent[0] != first
    resumed.import_data([{"parameter": first, "value": path_result(first)}])
    monkeypatch.setattr(manager_side, "ended_trials", lambda: {"trialA"})
    manager.request(1)
    assert resumed.strategy.trials[0].status == "done"


def test_another_strategys_state_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_state(tmp_path, {"state": {"version": 1, "strategy": "random", "trials": []}})
    with pytest.raises(InputError, match="strategy 'random'"):
        make(monkeypatch, tmp_path, resumed=True)


def test_a_fault_outside_nni_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = make(monkeypatch)
    monkeypatch.setattr(tuner.strategy, "observe", lambda *_: 1 / 0)
    Manager(tuner, 1)
    with pytest.raises(ZeroDivisionError):
        tuner.receive_trial_result(0, "", 0.5)


def test_what_the_page_cannot_draw_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tuner = make(monkeypatch)
    tuner.update_search_space({"stride_path": {"_type": "choice", "_value": ["AABBB"]}})
    Manager(tuner, 10)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2 and "no key step" in warnings[0] and "under stride_path" in warnings[1]


def test_importing_the_tuner_leaves_torch_unimported() -> None:
    program = "import sys, autostr_nni.nni.tuner, autostr_nni.recipe, autostr_nni.strategies; "
    program += "print([name for name in ('torch', 'lightning', 'pytorch_lightning') if name in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_recipes_are_found_from_the_code_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import base64

    (tmp_path / "recipe.yml").write_text("seed: 0\n")
    config = {"tuner": {"codeDirectory": str(tmp_path)}}
    packed = base64.b64encode(json.dumps(config).encode()).decode()
    monkeypatch.setattr(sys, "argv", ["nni", "--exp_params", packed])
    assert manager_side.find_recipe("recipe.yml") == tmp_path / "recipe.yml"
    with pytest.raises(InputError, match="other.yml is not in"):
        manager_side.find_recipe("other.yml")
