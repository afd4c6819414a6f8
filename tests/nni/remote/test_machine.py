"""What a machine answers over SSH, and how a trial there finds the manager."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.nni.manager.rest import Manager
from autostr_nni.nni.remote import machine
from autostr_nni.system.errors import InputError

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the trials of an experiment are kept, on a machine with its own home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    made = machine.environment_folder("experiment", "remote-worker1")
    (made / "trials" / "T1").mkdir(parents=True)
    return made


def test_what_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.main(["about"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["nni"] == "3.0" and about["autostr_nni"]
    assert Path(about["preload"]).is_file()


def test_what_is_left_is_ended_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = folder.parent / "remote-worker10"
    keeper = [*SLEEP, "main.js", str(folder / "trial_keeper")]
    started = [
        subprocess.Popen(SLEEP, env={**os.environ, "NNI_OUTPUT_DIR": str(folder / "trials" / "T1")}),
        subprocess.Popen(keeper),
        subprocess.Popen(SLEEP, env={**os.environ, "NNI_OUTPUT_DIR": str(other / "trials" / "T1")}),
        subprocess.Popen([*SLEEP, "main.js", str(other / "trial_keeper")]),
    ]
    try:
        for process in started:  # until each has its own environment and words
            while b"sleep" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                time.sleep(0.01)
        assert machine.main(["prepare", "experiment", "remote-worker1"]) == 0
        assert "preload" in json.loads(capsys.readouterr().out)
        assert [process.poll() is None for process in started] == [False, False, True, True]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_trial_finds_the_manager(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_PLATFORM", "remote")
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(folder / "trials" / "T1"))
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", "http://localhost:1234/env/remote-worker1/T1")
    assert Manager.of_trial() is None
    for name, port, age in (
        ("trial_keeper", 4001, 100),
        ("trial_keeper_1", 4002, 0),
    ):  # of a search that went on
        settings = folder / name / "launcher_config.json"
        settings.parent.mkdir()
        channel = f"ws://192.0.2.7:{port}/platform/remote/1"
        settings.write_text(json.dumps({"managerCommandChannel": channel}))
        os.utime(settings, (time.time() - age, time.time() - age))
    manager = Manager.of_trial()
    assert manager is not None and manager.address == "http://192.0.2.7:4002"


def test_keys_start_at_the_experiment_file(tiny_search: Any, tmp_path: Path) -> None:
    config = tiny_search(tmp_path / "project")
    content = yaml.safe_load(config.read_text())
    machines = [{"host": "one", "user": "me", "sshKeyFile": name} for name in ("key", "/keys/mine", "~/key")]
    content["trainingService"] = {"platform": "remote", "machineList": machines}
    config.write_text(yaml.safe_dump(content))
    experiment = load_experiment(config)
    keys = [entry["sshKeyFile"] for entry in experiment.config["trainingService"]["machineList"]]
    assert keys == [str(tmp_path / "project" / "key"), "/keys/mine", str(Path.home() / "key")]
    assert not experiment.here
    content["trainingService"]["reuseMode"] = True
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="reuseMode is not usable on platform remote"):
        load_experiment(config)
