"""The state that a search shows, with a fake NNI and in this process, by a clock that is told the time."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autostr_nni import strategies
from autostr_nni.inprocess import progress
from autostr_nni.inprocess.run import run_search
from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.progress import ExperimentProgress
from autostr_nni.progress.estimate import ALONE
from autostr_nni.progress.state import best_so_far
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.runs.doing import BEGINS, OPENS, STARTS, tell_doing
from autostr_nni.runs.figures import Report
from autostr_nni.runs.records import append_metrics
from autostr_nni.runs.trial_record import TrialRecord

START = 1_700_000_000.0
NET = ",".join(["k3e1"] * 15)


def recipe() -> Recipe:
    content = {
        "data": {"train": ["/a"], "validation": ["/b"]},
        "training": {"epochs": 4, "epoch_images": 1000},
        "search": {
            "path": {"paths": ["AABBB", "ABABB", "ABBAB"], "epochs": 2, "epoch_images": 500},
            "operators": {"epoch_images": 500, "warmup_epochs": 1, "epochs": 1, "arch_every": 5},
            "random": {"count": 2},
        },
    }
    return recipe_from(content, Path("/"))


class FakeNni:
    """NNI's list of trials over an hour that is told, and the files that the trials write."""

    def __init__(self, folder: Path, strategy: str | None = "two-step", **config: Any) -> None:
        self.now = START
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.lines: list[str] = []
        tuner = {"classArgs": config.pop("arguments", {})}
        config = {"trialConcurrency": 2, "experimentWorkingDirectory": str(folder), "tuner": tuner, **config}
        made = recipe() if strategy else None
        experiment = ExperimentFile(folder / "e.yml", config, made, strategy)
        self.progress = ExperimentProgress(folder, experiment, self.lines.append, clock=lambda: self.now)

    def start(self, name: str, **parameters: str) -> None:
        packed = json.dumps({"parameters": parameters})
        begun = int(self.now * 1000)
        row = {"trialJobId": name, "status": "RUNNING", "startTime": begun, "hyperParameters": [packed]}
        self.rows.append(row)
        self.place(name).mkdir(parents=True)

    def place(self, name: str) -> Path:
        return self.folder / "environments/local-env/trials" / name

    def epoch(self, name: str, images: int, seconds: float) -> None:
        append_metrics(self.place(name), {"images_seen": images, "seconds": seconds})
        os.utime(self.place(name) / "metrics.jsonl", (self.now, self.now))

    def pulse(self, name: str, images: int, seconds: float) -> None:
        file = self.place(name) / "pulse.json"
        file.write_text(json.dumps({"images_seen": images, "seconds": seconds}))
        os.utime(file, (self.now, self.now))

    def end(self, name: str, status: str = "SUCCEEDED", **metrics: Any) -> None:
        (row,) = [row for row in self.rows if row["trialJobId"] == name]
        final = [{"data": json.dumps(json.dumps(metrics))}] if metrics else []
        row.update(status=status, endTime=int(self.now * 1000), finalMetricData=final)

    def cost(self, step: str) -> float:
        """Seconds of a trial of a step, where an image of a path's net takes 0.1 s."""
        assert self.progress.plan is not None
        work = self.progress.plan.work
        return ALONE * 0.1 * work[step].images * (work[step].macs_m / work["path"].macs_m) ** 0.4

    def look(self) -> str:
        self.progress(self.rows)
        return self.progress.line(self.rows)


def minutes(line: str) -> float:
    found = re.search(r"about ([\d.]+) (min|h) left", line)
    assert found is not None, line
    return float(found[1]) * (60 if found[2] == "h" else 1)


def test_a_search_through_nni(tmp_path: Path) -> None:
    nni = FakeNni(tmp_path)
    assert nni.look() == "0 of 5 trials done, 0 running, time left ?"
    nni.start("a", step="path", stride_path="AABBB")
    nni.start("b", step="path", stride_path="ABABB")
    nni.now += 60
    assert nni.look() == "0 of 5 trials done, 2 running (path, epoch 1 of 2), time left ?"
    nni.pulse("a", 250, 25.0)  # within its first epoch
    nni.pulse("b", 125, 25.0)
    assert nni.look().startswith("0 of 5 trials done, 2 running (path, epoch 1 of 2, 15 images/s), about ")
    nni.pulse("b", 0, 0)
    nni.epoch("a", 500, 50.0)
    line = nni.look()
    assert line.startswith("0 of 5 trials done, 2 running (path, epoch 1 to 2 of 2, 10 images/s), about ")
    # 50 s of the first and 40 of the second, beside which the third begins; then the supernet and the net.
    assert minutes(line) == pytest.approx((150 + nni.cost("operators") + nni.cost("train")) / 60, abs=1)
    nni.now += 60  # 0.12 s per image with start and end; two paths beside each other, one of them once more
    nni.epoch("a", 1000, 110.0)
    nni.end("a", default=0.4, loss=2.0)
    nni.end("b", status="FAILED")
    nni.place("b").joinpath("trial.stderr").write_text("boom\n")
    line = nni.look()
    assert line.startswith("1 of 5 trials done, 0 running, 1 failed, about ")
    rest = 1.2 * (100 + nni.cost("operators") + nni.cost("train"))
    assert minutes(line) == pytest.approx(rest / 60, abs=1)
    assert nni.lines[-2].startswith("trial b (path ABABB) failed: boom; its log: ")
    nni.start("c", step="path", stride_path="ABABB")
    nni.start("d", step="path", stride_path="ABBAB")
    nni.now += 120
    for name, loss in (("c", 1.0), ("d", 3.0)):
        nni.end(name, default=0.5 - loss / 10, loss=loss)
    # The path that the search would choose, which is not the most accurate one.
    assert nni.look().endswith("best 40.0 % (path ABABB)")
    nni.start("o", step="operators", stride_path="ABABB")
    nni.now += 200
    nni.end("o", default=0.99, loss=0.1)
    assert "best 40.0 % (path ABABB)" in nni.look()  # a supernet is no result
    operations = {f"op_{layer:02d}": "k3e1" for layer in range(1, 16)}
    nni.start("t", step="train", stride_path="ABABB", **operations)
    nni.now += 100
    nni.epoch("t", 1000, 90.0)
    assert "1 running (train, epoch 2 of 4, 11 images/s)" in nni.look()
    assert "about 4 min left" in nni.look()  # 3000 of 4000 images at 0.09 s
    nni.now += 30
    assert "about 4 min left" in nni.look() and nni.progress.line(nni.rows) == nni.look()
    nni.now += 10_000  # far beyond what was to be expected
    assert "about 5.6 h left, longer than expected, " in nni.look()  # three epochs as long as this one
    nni.epoch("t", 4000, 11_000)
    nni.now += 3_000  # an epoch took about 2 750 s; then the test sets are read
    assert "1 failed, under 1 min left, " in nni.look()
    nni.now += 3_000
    assert "1 failed, longer than expected, " in nni.look()
    nni.end("t", default=0.9, loss=0.3)
    assert nni.look() == f"5 of 5 trials done, 0 running, 1 failed, best 90.0 % (ABABB:{NET})"


def test_after_a_resume_only_what_is_left_counts(tmp_path: Path) -> None:
    """Two paths ended yesterday; the third goes on from half of its images."""
    nni = FakeNni(tmp_path)
    for name, path in (("a", "AABBB"), ("b", "ABABB")):
        nni.start(name, step="path", stride_path=path)
        nni.now += 100
        nni.epoch(name, 1000, 95.0)
        nni.end(name, default=0.4, loss=2.0)
    nni.start("c", step="path", stride_path="ABBAB")
    nni.epoch("c", 500, 48.0)
    nni.now += 86_400
    nni.rows[-1]["startTime"] = int(nni.now * 1000)  # NNI starts it again
    first = nni.look()
    assert first.startswith("2 of 5 trials done, 1 running (path, epoch 2 of 2, 10 images/s), about ")
    rest = 50 + nni.cost("operators") + nni.cost("train")  # 100 s a path, of which half is left
    assert minutes(first) == pytest.approx(rest / 60, abs=1)
    nni.now += 60
    assert minutes(nni.look()) == minutes(first) - 1


def test_a_random_search_that_was_given_more(tmp_path: Path) -> None:
    assert FakeNni(tmp_path / "a", "random").look() == "0 of 2 trials done, 0 running, time left ?"
    more = FakeNni(tmp_path / "b", "random", arguments={"count": 7})
    assert more.look() == "0 of 7 trials done, 0 running, time left ?"


def test_a_tuner_of_the_users_own(tmp_path: Path) -> None:
    nni = FakeNni(tmp_path / "limited", None, maxTrialNumber=3)
    nni.start("a", lr="0.1")
    nni.now += 300
    nni.end("a", default=0.25)
    nni.start("b", lr="0.2")
    assert nni.look() == "1 of 3 trials done, 1 running, about 5 min left, best 25.0 % (lr 0.1)"
    free = FakeNni(tmp_path / "free", None)
    assert free.look() == "0 trials done, 0 running"


class Killed(BaseException):
    """Stands for a kill."""


def test_a_search_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [START]
    monkeypatch.setattr(progress, "time", SimpleNamespace(time=lambda: now[0]))
    made, lines = recipe(), list[str]()
    kill_at: list[str] = ["ABBAB"]

    def trial(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Report) -> dict[str, Any]:
        epochs = [500, 1000] if parameters["step"] == "path" else [550, 1100]
        for images in epochs:
            now[0] += 50
            metrics = {"default": 0.5, "loss": 1.0, "images_seen": images, "seconds": images / 10}
            append_metrics(folder, metrics)
            os.utime(folder / "metrics.jsonl", (now[0], now[0]))
            report(metrics, False)
            if parameters["stride_path"] in kill_at:
                kill_at.clear()
                raise Killed
        if parameters["step"] == "operators":
            metrics["architecture"] = f"{parameters['stride_path']}:{NET}"
        report(metrics, True)
        return metrics

    def run() -> dict[str, Any]:
        return run_search(strategies.build("two-step", made), made, tmp_path / "run", trial, lines.append)

    with pytest.raises(Killed):
        run()
    states = [line for line in lines if " of 5 trials done" in line]
    assert states[0] == "0 of 5 trials done, 1 running (path, epoch 1 of 2), time left ?"
    # Two paths of 100 s; 1100 images of the supernet and 4000 of the net, at 0.1 s times 0.85 and 0.65.
    assert "1 of 5 trials done, 0 running, about 9 min left, best 50.0 % (path AABBB)" in states
    lines.clear()
    assert run()["failure"] is None
    states = [line for line in lines if " of 5 trials done" in line]
    assert states[0].startswith("2 of 5 trials done, 1 running (path, epoch 2 of 2, ")
    assert states[-1] == f"5 of 5 trials done, 0 running, best 50.0 % (AABBB:{NET})"
    assert not any("-" in state.split("best")[0] for state in states)


def test_what_keeps_trials_from_their_first_step_is_told(tmp_path: Path) -> None:
    nni = FakeNni(tmp_path)
    nni.start("a", step="path", stride_path="AABBB")
    tell_doing(nni.place("a"), OPENS)
    assert "1 running (path, epoch 1 of 2, opening sets), time left ?" in nni.look()
    nni.start("b", step="path", stride_path="ABABB")
    tell_doing(nni.place("b"), BEGINS)
    assert "2 running (path, epoch 1 of 2, 1 at the first step, 1 opening sets)" in nni.look()
    nni.pulse("a", 250, 25.0)
    assert "2 running (path, epoch 1 of 2, 10 images/s, 1 at the first step), about" in nni.look()
    tell_doing(nni.place("b"), None)
    assert "2 running (path, epoch 1 of 2, 10 images/s), about" in nni.look()
    foreign = FakeNni(tmp_path / "foreign", strategy=None)  # a tuner whose steps are not known
    foreign.start("c")
    tell_doing(foreign.place("c"), STARTS)
    assert "1 running (starting)" in foreign.look()


def test_the_best_so_far_is_the_one_that_the_search_would_choose(tmp_path: Path) -> None:
    """Losses after fewer epochs, or of paths, which may read other words, are not compared with its."""

    def record(step: str, path: str, epochs: int, loss: float) -> TrialRecord:
        parameters = {"step": step, "stride_path": path, "epochs": epochs}
        return TrialRecord(path, parameters, {"default": 0.1, "loss": loss}, tmp_path, {})

    low, high = record("path", "ABABB", 1, 0.5), record("path", "AABBB", 2, 0.9)
    net = record("rung", "BAABB", 1, 7.0)
    assert best_so_far([low]) is low and best_so_far([low, high]) is high
    assert best_so_far([low, high, net]) is net
    assert best_so_far([net, higher := record("rung", "BABAB", 3, 9.0), low]) is higher
