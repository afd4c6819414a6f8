"""A search that trains, killed at several moments and started again each time, and run twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main

EPOCHS = {"path-AABBB": 3, "path-ABABB": 3, "operators-*": 3, "train": 2}

# The command itself, killed by SIGKILL before a weight step. Each is run in a fresh process, forked after the
# imports, which take longer than the search; its moment is (training, epoch, step of the epoch).
KILLED = """
import json, os, signal, sys
import autostr_nni.training.run_trial
from autostr_nni.cli.main import main
from autostr_nni.training.tasks import ReadingTask

loss_of = ReadingTask.loss_of

def run(moment, arguments):
    def mortal(self, batch):
        if [type(self).__name__, self.current_epoch, self._loss_count] == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss_of(self, batch)
    ReadingTask.loss_of = mortal
    os._exit(main(arguments))

for line in sys.stdin:
    process = os.fork() or run(json.loads(line), sys.argv[1:])
    print("ended", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


def arguments(experiment: Path, out: Path) -> list[str]:
    return ["search", str(experiment), "--in-process", "--out", str(out)]


def without_times(value: Any, folder: Path) -> Any:
    """`value` without seconds, and with the search's folder left out of what names it."""
    if isinstance(value, dict):
        return {key: without_times(item, folder) for key, item in value.items() if key != "seconds"}
    if isinstance(value, list):
        return [without_times(item, folder) for item in value]
    return value.replace(str(folder), "") if isinstance(value, str) else value


def outcome(folder: Path) -> dict[str, Any]:
    """Everything that a search left behind as JSON, by file."""
    files = sorted([*folder.glob("*.json"), *folder.glob("trials/*/*.json")])
    found: dict[str, Any] = {str(file.relative_to(folder)): json.loads(file.read_text()) for file in files}
    for file in folder.glob("trials/*/metrics.jsonl"):
        found[str(file.relative_to(folder))] = [json.loads(line) for line in file.read_text().splitlines()]
    return dict(without_times(found, folder))


def weights(folder: Path) -> dict[str, Any]:
    from autostr_nni.reading.checkpoint import load_trained

    return load_trained(folder / "trials" / "train" / "best.ckpt").recognizer.state_dict()


@pytest.fixture(scope="module")
def straight(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that nothing disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    assert main(arguments(tiny_search(folder), folder / "run")) == 0
    return folder / "run"


def test_every_epoch_is_recorded_once(straight: Path) -> None:
    for pattern, epochs in EPOCHS.items():
        (file,) = (straight / "trials").glob(f"{pattern}/metrics.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["epoch"] for line in lines] == list(range(epochs))
        assert all(line.keys() == lines[0].keys() for line in lines)
    summary = json.loads((straight / "summary.json").read_text())
    assert summary["failure"] is None and summary["trials"] == len(EPOCHS)
    assert summary["best"]["architecture"] == summary["found"]
    assert summary["best"]["macs_m"] > 0 and summary["best"]["params_m"] > 0
    assert summary["best"]["test"]["numbers"]["words"] == 24


@pytest.mark.slow("starts a search four times")
def test_killed_and_started_again_it_ends_alike(
    straight: Path, tiny_search: Callable[..., Path], tmp_path: Path, quiet_environment: dict[str, str]
) -> None:
    command = arguments(tiny_search(tmp_path), tmp_path / "run")
    trials = tmp_path / "run" / "trials"
    finished: dict[Path, int] = {}  # when the results were written

    def results() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in trials.glob("*/result.json")}

    # In an epoch of the first path after its first checkpoint, and in the operator search in its first epoch
    # with architecture steps and in its last.
    moments = [("RecognitionTask", 1, 3, 0), ("OperatorSearchTask", 1, 4, 2), ("OperatorSearchTask", 2, 1, 2)]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *command],
        env=quiet_environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as killer:
        assert killer.stdin is not None and killer.stdout is not None
        for task, epoch, step, settled in moments:
            killer.stdin.write(json.dumps([task, epoch, step]) + "\n")
            killer.stdin.flush()
            said = next(line for line in killer.stdout if line.startswith("ended "))
            assert said == f"ended {-signal.SIGKILL}\n"
            assert finished.items() <= results().items()
            finished = results()
            assert len(finished) == settled
            done = {path.parent for path in finished}
            (begun,) = {path.parent for path in trials.glob("*/last.ckpt")} - done
            assert len((begun / "metrics.jsonl").read_text().splitlines()) == epoch
    ended = subprocess.run(
        [sys.executable, "-m", "autostr_nni.cli.main", *command],
        env=quiet_environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert finished.items() <= results().items()  # nothing that was finished ran again
    assert outcome(tmp_path / "run") == outcome(straight)
    mine, other = weights(tmp_path / "run"), weights(straight)
    assert all((mine[name] == other[name]).all() for name in other)


def test_two_runs_are_the_same(
    straight: Path, tiny_search: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*arguments(tiny_search(tmp_path), tmp_path / "again"), "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert outcome(tmp_path / "again") == outcome(straight)
    assert told == json.loads((tmp_path / "again" / "summary.json").read_text())
    # A third start finds all done, runs nothing and tells the same.
    assert main(command) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == told and "started" not in captured.err


def test_another_seed_is_another_search(
    straight: Path, tiny_search: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tiny_search(tmp_path, seed=6)
    assert main(arguments(changed, straight)) == 2
    error = capsys.readouterr().err
    assert error.startswith("autostr: error: ") and "another recipe" in error
