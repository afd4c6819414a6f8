"""A small NNI project in a temporary folder: a strategy of two phases and trials that train nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml

from autostr_nni.nni.manager.rest import Manager
from tests.processes import at_home

TUNER = '''
from autostr_nni.nni.tuner import StrategyTuner
from autostr_nni.strategies.core import Book


class Phases(Book):
    """Trials of a first phase, then one with the stride path of the lowest loss."""

    name = "phases"

    def __init__(self, trials, fault):
        super().__init__()
        self.count, self.fault = trials, fault
        for index in range(trials):
            self._add(f"first-{index}", {"step": "path", "stride_path": f"P{index:02d}"})

    @property
    def planned(self):
        return self.count + 1

    @property
    def best(self):
        return None

    def _advance(self):
        if self.fault:
            raise RuntimeError("a fault of the strategy")
        if not all(trial.settled for trial in self.trials):
            return
        if self._of_step("train"):
            self._end()
        else:
            done = [trial for trial in self.trials if trial.status == "done"]
            best = min(done, key=lambda trial: trial.metrics["loss"])
            self._add("last", {"step": "train", "stride_path": best.parameters["stride_path"]})


class PhaseTuner(StrategyTuner):
    def __init__(self, trials=16, fault=False):
        super().__init__(Phases(trials, fault))
'''

TRIAL = """
import json, os, sys, time

number = int(os.environ["NNI_TRIAL_SEQ_ID"])
if number in {die}:
    sys.exit("died on purpose")
if number in {late}:
    time.sleep(2)

import nni
from autostr_nni.nni.trial_side.parameters import own_parameter

mine = own_parameter()
with open(os.path.join(os.environ["NNI_OUTPUT_DIR"], "ran.json"), "w") as file:
    json.dump(mine, file)
if {hang}:
    import subprocess
    subprocess.run(["sleep", "300"])
loss = 100.0 - int(mine["stride_path"][1:])
metrics = dict(default=1 / loss, loss=loss, ran=mine["stride_path"])
nni.report_intermediate_result(metrics)
nni.report_final_result(metrics)
"""


class Project:
    """The files of an experiment, and what is needed to run it apart from the user's own NNI."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.experiments = folder / "nni-experiments"
        self.config = folder / "experiment.yml"
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "NNI_CONFIG_DIR": str(folder / "nni-config"),
            "OMP_NUM_THREADS": "1",
            # Proxies must not come between NNI's parts.
            "http_proxy": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9",
        }

    def write(
        self,
        trials: int = 16,
        concurrency: int = 4,
        die: tuple[int, ...] = (),
        late: tuple[int, ...] = (),
        hang: bool = False,
        fault: bool = False,
        **changes: Any,
    ) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "phase_search.py").write_text(TUNER)
        (self.folder / "phase_trial.py").write_text(TRIAL.format(die=list(die), late=list(late), hang=hang))
        paths = [f"P{index:02d}" for index in range(trials)]
        config = {
            "experimentName": "phases",
            "searchSpace": {
                "step": {"_type": "choice", "_value": ["path", "train"]},
                "stride_path": {"_type": "choice", "_value": paths},
            },
            "trialCommand": "python phase_trial.py",
            "trialCodeDirectory": ".",
            "trialConcurrency": concurrency,
            "experimentWorkingDirectory": "nni-experiments",
            "tuner": {
                "className": "phase_search.PhaseTuner",
                "codeDirectory": ".",
                "classArgs": {"trials": trials, "fault": fault},
            },
            "trainingService": {"platform": "local"},
            **changes,
        }
        config = {key: value for key, value in config.items() if value is not None}
        self.config.write_text(yaml.safe_dump(config))
        return self.config

    def autostr(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "autostr_nni.cli.main", "search", str(self.config), *arguments]
        return self.popen(command, **options)

    def popen(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, **{**streams, **options})

    def ran(self, experiment: str) -> dict[str, dict[str, Any]]:
        """What each trial says that it ran, by trial id."""
        files = (self.experiments / experiment).glob("environments/*/trials/*/ran.json")
        return {file.parent.name: json.loads(file.read_text()) for file in files}

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started for this project."""
        return at_home(self.folder)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    for process in made.processes():  # after a failed test: what it left, by id
        process.kill()


@pytest.fixture
def wait_for_status() -> Callable[..., list[dict[str, Any]]]:
    def wait(port: int, wanted: str = "DONE", seconds: float = 90) -> list[dict[str, Any]]:
        """NNI's rows once the experiment has the status."""
        manager = Manager(f"http://127.0.0.1:{port}")
        status: Any = None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                status = manager.get("check-status")
                if status["status"] == wanted:
                    return list(manager.get("trial-jobs"))
            except (requests.RequestException, TypeError) as error:
                status = error
            time.sleep(0.3)
        raise AssertionError(f"no {wanted} in {seconds} s, but {status}")

    return wait
