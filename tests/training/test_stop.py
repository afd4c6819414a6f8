"""SIGTERM ends a training in order."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autostr_nni.runs.layout import LOCK
from autostr_nni.runs.records import read_metrics
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.system.leaving import stoppable
from autostr_nni.training.run_trial import train_architecture
from autostr_nni.training.tasks import ReadingTask


@pytest.mark.parametrize(
    "to_all",
    [
        pytest.param(False, id="to the command"),
        pytest.param(True, id="to its whole group", marks=pytest.mark.slow("starts another training")),
    ],
)
def test_sigterm_ends_training_and_its_processes(tmp_path: Path, make_recipe, quiet_environment, to_all):
    changes = {"training.epochs": 10_000, "data.workers": 1, "model.rectifier": {"enabled": False}}
    recipe = make_recipe(changes).model_dump(mode="json")
    (tmp_path / "recipe.yml").write_text(json.dumps(recipe), encoding="utf-8")
    out = tmp_path / "out"
    train = [sys.executable, "-m", "autostr_nni.cli.main", "train", "ABABB:k3e1,skip,k5e3,k3e1,k3e3,k5e1"]
    process = subprocess.Popen(
        [*train, "--recipe", str(tmp_path / "recipe.yml"), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=quiet_environment,
        start_new_session=True,
    )
    family = psutil.Process(process.pid)
    deadline = time.monotonic() + 120
    while not read_metrics(out) or not family.children(recursive=True):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    workers = family.children(recursive=True)
    for one in [*(workers if to_all else []), family]:
        one.send_signal(signal.SIGTERM)
    assert process.stderr.read().splitlines()[-1] == "autostr: error: interrupted"
    assert process.wait() == 130
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert not [path for path in out.iterdir() if path.name.startswith(".") and path.name != LOCK]


def test_sigterm_where_python_passes_over_exceptions_ends_training(
    tmp_path: Path, make_recipe, steps, monkeypatch
):
    begin = ReadingTask.on_train_epoch_start

    def swallowing(task):
        with contextlib.suppress(KeyboardInterrupt):  # as while a loader process is forked
            os.kill(os.getpid(), signal.SIGTERM)
        begin(task)

    monkeypatch.setattr(ReadingTask, "on_train_epoch_start", swallowing)
    recipe = make_recipe({"training.epochs": 2})
    architecture = Architecture.from_parameters(steps["train"], recipe.space())
    before = signal.getsignal(signal.SIGCHLD)
    try:
        with pytest.raises(KeyboardInterrupt), stoppable():
            train_architecture(architecture, recipe.space(), recipe, tmp_path, lambda metrics, final: None)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert not (tmp_path / "result.json").exists()
