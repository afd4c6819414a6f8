"""A whole search that trains, as an NNI experiment: what the page shows, and what is left at the end."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import torch

from autostr_nni.nni.manager.rest import Manager
from autostr_nni.nni.rows import final_metrics, parameters_of
from autostr_nni.recipe import load_recipe
from autostr_nni.search_spaces.stride_path import StridePath

REPORTED = ("accuracy", "loss", "flops_m", "params_m", "images_seen", "seconds")
FINAL = {"default", "loss", "macs_m", "params_m"}


class Watch(threading.Thread):
    """Keeps NNI's last list of trials and the first reports of each, as the page asks for them."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.manager = Manager(address)
        self.rows: list[dict[str, Any]] = []
        self.reports: dict[str, list[dict[str, Any]]] = {}

    def run(self) -> None:
        while True:
            try:
                self.rows = self.manager.get("trial-jobs") or self.rows
                for report in self.manager.get("metric-data") or []:
                    self.reports.setdefault(report["trialJobId"], []).append(report)
            except requests.RequestException:
                if self.rows:
                    return
            time.sleep(0.1)


def test_a_real_search(project: Any, tiny_search: Callable[..., Path]) -> None:
    written = tiny_search(project.folder)
    assert written == project.config
    started = project.autostr("--json", "--out", str(project.experiments))
    assert started.stderr is not None
    told = []
    for line in started.stderr:  # until the page's address is there
        told.append(line)
        if page := re.match(r"page: (http://127\.0\.0\.1:(\d+))/ ", line):
            break
    else:
        pytest.fail("".join(told))
    watch = Watch(page[1])
    watch.start()
    output, errors = started.communicate(timeout=600)
    watch.join(timeout=10)
    assert started.returncode == 0, errors

    result = json.loads(output)
    assert result["status"] == "DONE" and result["failure"] is None and result["failed"] == []
    assert {row["stride_path"] for row in result["paths"]} == {"AABBB", "ABABB"}
    best = result["best"]
    assert best["architecture"] == result["found"]
    assert best["macs_m"] > 0 and best["params_m"] > 0
    assert best["test"]["numbers"]["words"] == 24 and 0 <= best["test"]["numbers"]["word_accuracy"] <= 1
    check_rows(watch.rows, result)
    for reports in watch.reports.values():  # the page takes the figures of epochs from the first report
        epochs = [report for report in reports if report["type"] == "PERIODICAL"]
        columns = [unpacked(report["data"]).keys() for report in epochs]
        assert all(column >= columns[0] and set(REPORTED) <= column for column in columns)
    check_folders(Path(result["folder"]), result)
    check_frozen(watch.rows, Path(result["folder"]), written.parent / "recipe.yml")
    check_forked_trials(Path(result["folder"]), written.parent / "recipe.yml", project.folder / "again")

    assert project.processes() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(page[2]))) != 0
    assert not [c for c in psutil.net_connections("tcp") if c.laddr.port == int(page[2]) and c.pid]


def check_rows(rows: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Every row of the page has its own readable parameters and an accuracy."""
    assert len(rows) == result["trials"] == 4
    for row in rows:
        parameters = parameters_of(row)
        assert row["status"] in ("SUCCEEDED", "RUNNING")  # the last may end with the experiment
        assert all(isinstance(value, str) for value in parameters.values())
        metrics = final_metrics({**row, "status": "SUCCEEDED"})
        assert metrics is not None and 0 <= metrics["default"] <= 1
        assert FINAL <= metrics.keys() <= {*FINAL, "architecture"}
        assert all(isinstance(value, int | float | str) for value in metrics.values())
    assert [parameters_of(row)["step"] for row in sorted(rows, key=lambda row: row["sequenceId"])] == [
        "path",
        "path",
        "operators",
        "train",
    ]
    assert {"op_01", "op_06"} <= parameters_of(max(rows, key=lambda row: row["sequenceId"])).keys()


def check_folders(folder: Path, result: dict[str, Any]) -> None:
    """What each trial leaves is there, and is what the summary tells."""
    trials = list(folder.glob("environments/*/trials/*"))
    assert len(trials) == 4
    for trial in trials:
        assert {"metrics.jsonl", "architecture.json", "last.ckpt", "result.json"} <= {
            path.name for path in trial.iterdir()
        }
        lines = [json.loads(line) for line in (trial / "metrics.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == list(range(len(lines)))
    stored = json.loads((Path(result["best"]["folder"]) / "result.json").read_text())
    assert stored["test"] == result["best"]["test"]
    assert stored["metrics"]["default"] == result["best"]["word_accuracy"]


def check_frozen(rows: list[dict[str, Any]], folder: Path, recipe: Path) -> None:
    """The sample on the page, frozen in the NNI model space, is the net whose weights its trial left."""
    from autostr_nni.search_spaces.nni_space import AutoSTRSpace, architecture_of
    from autostr_nni.supernet.supernet import Supernet

    options = load_recipe(recipe)
    space = options.space()
    seen = set()
    for row in rows:
        sample = parameters_of(row)
        (checkpoint,) = folder.glob(f"environments/*/trials/{row['trialJobId']}/last.ckpt")
        saved = torch.load(checkpoint, weights_only=True)["state_dict"]
        start = "recognizer.backbone."
        saved = {key.removeprefix(start): value for key, value in saved.items() if key.startswith(start)}
        path = StridePath.parse(sample["stride_path"], space.stage_layers)
        net: torch.nn.Module
        if sample["step"] == "operators":
            net = Supernet(path, space)
        elif sample["step"] == "path":
            one = dataclasses.replace(space, operations=(options.search.path.default_operation,))
            net = AutoSTRSpace(one).freeze(one.default_architecture(path, one.operations[0]).to_parameters())
        else:
            net = AutoSTRSpace(space, budget_m=options.search.operators.budget_m).freeze(sample)
            assert architecture_of(sample, space).path == path
        net.load_state_dict(saved)  # strict: each weight has its place, and none is left over
        seen.add(sample["step"])
    assert seen == {"path", "operators", "train"}


def check_forked_trials(folder: Path, recipe: Path, again: Path) -> None:
    """Trials were forked from the process that imports for them and trained what they train by themselves."""
    from autostr_nni.training.run_trial import run_proposal

    log = (folder / "log" / "warm.log").read_text()
    assert "ready" in log and "cold" not in log
    for parameters in folder.glob("environments/*/trials/*/parameters.json"):
        if json.loads(parameters.read_text())["parameters"]["step"] != "train":
            continue
        stored = json.loads((parameters.parent / "result.json").read_text())["metrics"]
        mine = run_proposal(
            json.loads(parameters.read_text())["parameters"],
            load_recipe(recipe),
            again,
            lambda metrics, final: None,
        )
        assert {**mine, "seconds": 0} == {**stored, "seconds": 0}
        return
    pytest.fail("no trial has trained the net that was found")


def unpacked(data: Any) -> dict[str, Any]:
    while isinstance(data, str):
        data = json.loads(data)
    return dict(data)
