"""A one-shot search that trains, as an NNI experiment: its rows, their reports, and what it finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.nni.rows import final_metrics, parameters_of
from tests.nni.test_real_experiment import Watch, unpacked

ONE_SHOT = {"epochs": 3, "nets": 9, "population": 3, "recalibration": 12, "words": 10, "finalists": 2}


@pytest.mark.slow("runs NNI")
def test_a_one_shot_search(project: Any, tiny_search: Callable[..., Path]) -> None:
    file = tiny_search(project.folder, search={"one_shot": ONE_SHOT, "operators": {"budget_m": 1.0}})
    experiment = yaml.safe_load(file.read_text())
    experiment["tuner"]["className"] = "autostr_nni.nni.tuner.OneShotTuner"
    file.write_text(yaml.safe_dump(experiment))
    started = project.autostr("--json", "--out", str(project.experiments))
    said = []
    for line in started.stderr:  # until the page's address is there
        said.append(line)
        if page := re.match(r"page: (http://127\.0\.0\.1:\d+)/ ", line):
            break
    else:
        pytest.fail("".join(said))
    watch = Watch(page[1])
    watch.start()
    output, errors = started.communicate(timeout=600)
    watch.join(timeout=10)
    assert started.returncode == 0, errors
    assert project.processes() == []
    result = json.loads(output)
    assert result["status"] == "DONE" and result["failed"] == [] and result["trials"] == 4

    rows = sorted(watch.rows, key=lambda row: row["sequenceId"])
    parameters = [parameters_of(row) for row in rows]
    assert [one["step"] for one in parameters] == ["supernet", "ranking", "train", "train"]
    assert [one.get("weights") for one in parameters] == [None, None, "finalist-1", "finalist-2"]
    assert all(isinstance(value, str) for one in parameters for value in one.values())
    finals = [final_metrics({**row, "status": "SUCCEEDED"}) or {} for row in rows]
    final_reports = [unpacked(row["finalMetricData"][0]["data"]) for row in rows]
    assert ["default" in final for final in final_reports] == [
        False,
        False,
        True,
        True,
    ]  # the page compares these
    nets = finals[1]["finalists"].split()
    assert finals[1]["architecture"] == nets[0]
    for row, one, net in zip(rows[2:], parameters[2:], nets, strict=True):
        operations = [one[key] for key in sorted(one) if key.startswith("op_")]
        assert f"{one['stride_path']}:{','.join(operations)}" == net
        assert "macs_m" in (final_metrics({**row, "status": "SUCCEEDED"}) or {})
    for row, count in zip(rows, (3, 3, 2, 2), strict=True):
        told = watch.reports[row["trialJobId"]]  # some of them many times, as they were looked at
        reports = [unpacked(one["data"]) for one in told if one["type"] == "PERIODICAL"]
        assert {report["epoch"] for report in reports} == set(range(count))
        assert all("loss" in report and "accuracy" in report for report in reports)
    best = max(result["architectures"], key=lambda row: (row["word_accuracy"], -row["loss"]))
    assert result["best"]["architecture"] == best["architecture"] in nets
    assert result["best"]["test"]["numbers"]["words"] == 24
