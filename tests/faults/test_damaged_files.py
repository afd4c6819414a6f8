"""Files that are cut anywhere: a checkpoint, the state of a search. What is lost is told and made again."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_search import findings

from autostr_nni import strategies
from autostr_nni.cli.main import main
from autostr_nni.nni import proposing as tuner_module
from autostr_nni.nni.state import find_state
from autostr_nni.nni.tuner import StrategyTuner
from autostr_nni.recipe import load_recipe
from autostr_nni.runs.layout import NNI_STATE
from autostr_nni.system.files import previous_of

Fault = Callable[[str], Any]
PLACES = [3, pytest.param(20, marks=pytest.mark.faults)]


class Stopped(BaseException):
    """Stands for the end of the process."""


def cuts(file: Path, count: int) -> Iterator[bytes]:
    """The content of a file, cut at random places."""
    content = file.read_bytes()
    places = random.Random(count)
    for _ in range(count):
        yield content[: places.randrange(len(content))]


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def left(folder: Path) -> dict[str, Any]:
    """The metrics and the result of a trial."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    result = json.loads((folder / "result.json").read_text())
    return dict(timeless({"lines": [json.loads(line) for line in lines], "result": result}))


# --- a trial's checkpoint


class Trial:
    """The operator search of the tiny recipe, stopped after two of three epochs, and one that was not."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.recipe = folder, load_recipe(config.with_name("recipe.yml"))
        self.run(folder / "whole")
        with pytest.raises(Stopped):
            self.run(folder / "stopped", stop=2)
        self.epochs: list[int] = []

    def run(self, place: Path, stop: int = 0) -> None:
        from autostr_nni.training.run_trial import run_proposal

        self.epochs = []

        def report(metrics: dict[str, Any], final: bool) -> None:
            if not final:
                self.epochs.append(metrics["epoch"])
            if len(self.epochs) == stop:
                raise Stopped

        place.mkdir(exist_ok=True)
        run_proposal(
            {"step": "operators", "stride_path": "ABABB"}, self.recipe, place, report if stop else report
        )

    def go_on(self, change: Callable[[Path], None]) -> None:
        """Take up a copy of the stopped one after `change`; it ends as the one that was not stopped."""
        place = self.folder / "copy"
        shutil.copytree(self.folder / "stopped", place)
        change(place)
        self.run(place)
        assert left(place) == left(self.folder / "whole")
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def trial(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("trial")
    return Trial(folder, tiny_search(folder / "files"))


@pytest.mark.parametrize("count", PLACES)
def test_a_checkpoint_cut_anywhere(trial: Trial, fault: Fault, count: int, capsys: Any) -> None:
    with fault("checkpoint-cut-20") as row:
        for content in cuts(trial.folder / "stopped" / "last.ckpt", count):
            trial.go_on(lambda place, content=content: (place / "last.ckpt").write_bytes(content))
            assert trial.epochs == [1, 2]
            assert (
                "last.ckpt is damaged: the trial goes on from the checkpoint before it"
                in capsys.readouterr().out
            )
        row.lost = f"the last of two epochs, {count} times out of {count}"


def test_no_checkpoint_is_left(trial: Trial, fault: Fault, capsys: Any) -> None:
    def damage(place: Path) -> None:
        for name in ("last.ckpt", "last.previous.ckpt"):
            (place / name).write_bytes(b"PK")

    with fault("checkpoints-lost") as row:
        trial.go_on(damage)
        assert trial.epochs == [0, 1, 2]
        assert "last.ckpt is damaged: the trial starts again from its beginning" in capsys.readouterr().out
        row.lost = "both epochs"


# --- the state of a search without NNI


class InProcess:
    """A search that was stopped in its last trial, and what one finds that was not."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder = folder
        assert main(["search", str(config), "--in-process", "--out", str(folder / "whole")]) == 0
        self.found = self.findings(folder / "whole")
        from autostr_nni.training.callbacks.epoch_end import EpochEnd

        with pytest.MonkeyPatch.context() as patch:
            stop = EpochEnd.on_train_epoch_end

            def stopped(self: Any, trainer: Any, task: Any) -> None:
                if self.save_best:  # step 3
                    raise Stopped
                stop(self, trainer, task)

            patch.setattr(EpochEnd, "on_train_epoch_end", stopped)
            with pytest.raises(Stopped):
                main(["search", str(config), "--in-process", "--out", str(folder / "stopped")])

    def findings(self, place: Path) -> dict[str, Any]:
        return findings(json.loads((place / "summary.json").read_text()))

    def go_on(self, change: Callable[[Path], None]) -> None:
        """`autostr resume` of a copy; what was finished is kept, and it finds what it would have found."""
        place = self.folder / "copy"
        shutil.copytree(self.folder / "stopped", place)
        change(place)
        before = {file: file.stat().st_mtime_ns for file in place.glob("trials/*/result.json")}
        assert len(before) == 3
        assert main(["resume", str(place)]) == 0
        after = {file: file.stat().st_mtime_ns for file in place.glob("trials/*/result.json")}
        assert before.items() <= after.items() and len(after) == 4
        assert self.findings(place) == self.found
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def in_process(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    folder = tmp_path_factory.mktemp("in_process")
    return InProcess(folder, tiny_search(folder / "files"))


@pytest.mark.parametrize("count", PLACES)
def test_a_state_cut_anywhere(in_process: InProcess, fault: Fault, count: int, capsys: Any) -> None:
    with fault("state-cut-20") as row:
        for content in cuts(in_process.folder / "stopped" / "state.json", count):
            in_process.go_on(lambda place, content=content: (place / "state.json").write_bytes(content))
            assert "state.json is damaged: going on from the state before it" in capsys.readouterr().out
        row.lost = f"nothing, {count} times out of {count}: 3 trials with a result kept"


def test_no_state_is_left(in_process: InProcess, fault: Fault, capsys: Any) -> None:
    def damage(place: Path) -> None:
        for name in ("state.json", "state.previous.json"):
            (place / name).write_text('{"recipe": "')

    with fault("states-lost") as row:
        in_process.go_on(damage)
        assert "state.json is damaged: going on from the results of the trials" in capsys.readouterr().out
        row.lost = "nothing: 3 trials with a result kept"


# --- the tuner's state


def make_tuner(monkeypatch: pytest.MonkeyPatch, folder: Path, recipe: Any, resumed: bool) -> StrategyTuner:
    monkeypatch.setattr(tuner_module, "experiment_folder", lambda: folder)
    monkeypatch.setattr(tuner_module.manager_side, "unfinished_trials", dict)
    monkeypatch.setenv("NNI_MODE", "resume" if resumed else "start")
    return StrategyTuner(strategies.build("two-step", recipe))


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], list[Any]]:
    """Ten path trials, seven of which have ended; the tuner is started again after a change of its files."""
    from autostr_nni.recipe import recipe_from

    recipe = recipe_from({"data": {"train": ["/a"], "validation": ["/b"]}}, Path("/"))
    tuner = make_tuner(monkeypatch, tmp_path, recipe, False)
    given = tuner.generate_multiple_parameters(list(range(10)), st_callback=lambda *_: None)
    told = [{"parameter": given[n], "value": {"default": 0.1, "loss": float(n)}} for n in range(7)]
    for number, entry in enumerate(told):
        tuner.receive_trial_result(number, "", entry["value"])

    def start_again(change: Callable[[Path], None]) -> list[Any]:
        kept = {
            name: (tmp_path / name).read_bytes() for name in (NNI_STATE, previous_of(Path(NNI_STATE)).name)
        }
        change(tmp_path)
        again = make_tuner(monkeypatch, tmp_path, recipe, True)
        again.import_data(told)  # NNI tells what its database has
        assert [t.metrics["loss"] for t in again.strategy.trials if t.status == "done"] == list(
            map(float, range(7))
        )
        asked = again.generate_multiple_parameters(list(range(20, 30)), st_callback=lambda *_: None)
        assert asked == given[7:]
        for name, content in kept.items():
            (tmp_path / name).write_bytes(content)
        return asked

    return start_again


def test_a_tuners_state_cut_anywhere(tuned: Any, fault: Fault, tmp_path: Path) -> None:
    with fault("nni-state-cut-20") as row:
        for content in cuts(tmp_path / NNI_STATE, 20):
            tuned(lambda folder, content=content: (folder / NNI_STATE).write_bytes(content))
        row.lost = "nothing, 20 times out of 20: 7 results kept"


def test_no_state_of_the_tuner_is_left(tuned: Any, fault: Fault) -> None:
    def damage(folder: Path) -> None:
        for name in (NNI_STATE, previous_of(Path(NNI_STATE)).name):
            (folder / name).write_text("{")
        state, complaint = find_state(folder)
        assert state == {} and "is damaged: the search is put together from NNI's record" in str(complaint)

    with fault("nni-states-lost") as row:
        tuned(damage)
        row.lost = "nothing: 7 results kept"
