"""The summary from folders on disk, and the trial's entry without NNI's manager."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from autostr_nni.nni.experiment.database import Contents, trials_of
from autostr_nni.nni.manager.rest import Manager, exempt_loopback
from autostr_nni.nni.rows import final_metrics
from autostr_nni.nni.trial_side import parameters as parameters_module
from autostr_nni.runs.layout import NNI_STATE, trial_folder, trial_folders
from autostr_nni.runs.summary import summarize
from autostr_nni.runs.told import summary_text
from autostr_nni.runs.trial_record import read_search
from autostr_nni.system.errors import InputError
from autostr_nni.trial import Reports


def keep(folder: Path, parameters: dict[str, Any], metrics: dict[str, Any] | None, **more: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "parameters.json").write_text(json.dumps({"parameters": parameters}))
    if metrics is not None:
        (folder / "result.json").write_text(json.dumps({"metrics": metrics, **more}))


@pytest.mark.parametrize("place", ["trials", "environments/local-env/trials"])
def test_summary_of_a_folder(tmp_path: Path, place: str) -> None:
    trials = tmp_path / place
    for name, loss in (("AABBB", 3.0), ("ABABB", 1.5)):
        metrics = {"default": 0.1, "loss": loss, "macs_m": 20.0, "params_m": 0.5}
        keep(trials / name, {"step": "path", "stride_path": name}, metrics)
    found = "ABABB:k3e1,k5e6"
    search = {"default": 0.2, "loss": 1.0, "architecture": found}
    keep(trials / "search", {"step": "operators", "stride_path": "ABABB"}, search)
    parameters = {"step": "train", "stride_path": "ABABB", "op_02": "k5e6", "op_01": "k3e1"}
    metrics = {"default": 0.5, "loss": 0.4, "macs_m": 30.25, "params_m": 1.5}
    test = {"svt": {"words": 647, "word_accuracy": 0.25}}
    keep(trials / "train", parameters, metrics, test=test)
    keep(trials / "broken", {"step": "train", "stride_path": "AABBB"}, None)

    summary = summarize(read_search(tmp_path))
    assert [row["stride_path"] for row in summary["paths"]] == ["ABABB", "AABBB"]
    assert summary["found"] == found == summary["best"]["architecture"]
    assert summary["failed"] == ["broken"] and summary["trials"] == 5
    assert summary["best"]["test"] == test
    text = summary_text(summary)
    for words in (
        "1. ABABB  loss 1.5",
        "30.25 M MACs, 1.5 M parameters",
        "50.0 %",
        "test svt: word accuracy 25.0 %",
    ):
        assert words in text
    json.dumps(summary, allow_nan=False)


def test_a_net_that_was_killed_and_trained_again_is_the_second(tmp_path: Path) -> None:
    """The state has its figures by its parameters, which both folders have."""
    parameters = {"step": "train", "stride_path": "ABABB", "op_01": "k3e1"}
    keep(tmp_path / "trials/train-3", parameters, None)
    (tmp_path / "trials/train-3/best.ckpt").write_bytes(b"half trained")
    keep(tmp_path / "trials/train-4", parameters, {"default": 0.8, "loss": 1.0})
    done = {
        "id": "train-retry",
        "parameters": parameters,
        "status": "done",
        "metrics": {"default": 0.8, "loss": 1.0},
    }
    (tmp_path / NNI_STATE).write_text(json.dumps({"state": {"trials": [done]}}))
    found = summarize(read_search(tmp_path))
    assert (
        found["best"] is not None and found["best"]["trial"] == "train-4" and found["failed"] == ["train-3"]
    )
    (tmp_path / "trials/train-4/result.json").unlink()  # stopped early: the later of the two counts
    os.utime(tmp_path / "trials/train-3", (1, 1))
    found = summarize(read_search(tmp_path))
    assert (
        found["best"] is not None and found["best"]["trial"] == "train-4" and found["failed"] == ["train-3"]
    )


def test_of_several_folders_of_a_trial_the_one_with_its_result_counts(tmp_path: Path) -> None:
    """A trial that has lost its machine leaves one on each, and these may have one home."""
    for machine in ("a", "b"):
        keep(tmp_path / f"environments/{machine}/trials/train", {"step": "train"}, None)
    keep(tmp_path / "trials/train", {"step": "train"}, None)
    (tmp_path / "environments/b/trials/train/result.json").write_text("{}")
    assert trial_folders(tmp_path) == [tmp_path / "environments/b/trials/train"]
    assert trial_folder(tmp_path, "none") == tmp_path / "trials/none"


def test_what_a_resumed_search_has_asked_for_is_no_damage() -> None:
    parameters = json.dumps({"parameters": {"step": "train"}})
    events = [
        ("a", "WAITING", 1000, parameters, 0),
        ("a", "RUNNING", 2000, None, 0),
        ("a", "ADD_RESUMED", 3000, parameters, None),
        ("", "ADD_CUSTOMIZED", 4000, "[1]", None),
        (None, "IMPORT_DATA", 4000, "[1]", None),
    ]
    (trial,) = trials_of(Contents("x", {}, 0, events, []))
    assert (trial.id, trial.number, trial.status) == ("a", 0, "WAITING")
    assert trial.parameters == {"step": "train"}


def test_summary_of_nothing(tmp_path: Path) -> None:
    assert summary_text(summarize(read_search(tmp_path))) == "No trial has finished."


def test_losses_that_are_no_numbers_come_last(tmp_path: Path) -> None:
    keep(tmp_path / "trials/a", {"step": "path", "stride_path": "AABBB"}, {"default": 0.0, "loss": "nan"})
    keep(tmp_path / "trials/b", {"step": "path", "stride_path": "ABABB"}, {"default": 0.0, "loss": 9.0})
    assert [row["trial"] for row in summarize(read_search(tmp_path))["paths"]] == ["b", "a"]


def test_a_final_report_is_sent_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import nni

    sent: list[dict[str, Any]] = []

    def send(metrics: dict[str, Any]) -> None:
        sent.append(metrics)
        if len(sent) == 1:
            raise requests.ConnectionError("gone for a moment")

    monkeypatch.setattr(nni, "report_final_result", send)
    monkeypatch.setattr("time.sleep", lambda _: None)
    reports = Reports("train")
    reports({"default": 0.5}, True)
    reports({"default": 0.5}, True)
    assert len(sent) == 2 and reports.final


def test_a_trial_outside_nni_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "recipe.yml").write_text("data: {train: [a], validation: [b]}\n")
    command = [sys.executable, "-m", "autostr_nni.trial", "--recipe", "recipe.yml"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NNI_")}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("autostr: error: this program runs as a trial of an NNI experiment")
    assert len(ended.stderr.splitlines()) == 1


def test_a_missing_recipe_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autostr_nni.trial", "--recipe", "missing.yml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 2 and "missing.yml" in ended.stderr and len(ended.stderr.splitlines()) == 1


class Channel:
    """NNI's queue, which may hold another trial's parameters."""

    def receive_parameter(self) -> dict[str, Any]:
        return {"parameter_id": 9, "parameters": {"stride_path": "another"}}


@pytest.fixture
def in_trial(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    import nni.trial

    monkeypatch.setattr(nni.trial, "_params", None)
    monkeypatch.setattr(parameters_module, "get_default_trial_command_channel", Channel)
    monkeypatch.setenv("NNI_TRIAL_JOB_ID", "abcde")
    monkeypatch.setenv("NNI_PLATFORM", "local")
    monkeypatch.setenv("NNI_TRIAL_COMMAND_CHANNEL", "http://localhost:1/prefix/env/local-env/abcde")
    monkeypatch.delenv("AUTOSTR_OWN_PARAMETERS", raising=False)
    return monkeypatch


def test_the_trials_own_record(in_trial: pytest.MonkeyPatch) -> None:
    import nni.trial

    record = {"parameter_id": 3, "parameters": {"stride_path": "mine"}}
    answers = iter([None, {}, {"hyperParameters": [json.dumps(record)]}])
    asked: list[str] = []

    def get(manager: Manager, path: str) -> Any:
        asked.append(f"{manager.address}/{path}")
        return next(answers)

    in_trial.setattr(Manager, "get", get)
    assert parameters_module.own_parameter() == {"stride_path": "mine"}
    assert asked == ["http://127.0.0.1:1/prefix/trial-jobs/abcde"] * 3
    assert nni.trial._params == record
    assert parameters_module.own_parameter() == {"stride_path": "mine"}  # asked for once only


def test_a_mended_managers_queue_is_trusted(in_trial: pytest.MonkeyPatch) -> None:
    in_trial.setenv("AUTOSTR_OWN_PARAMETERS", "1")
    assert parameters_module.own_parameter() == {"stride_path": "another"}


def test_a_manager_out_of_reach_is_said(
    in_trial: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parameters_module.own_parameter() == {"stride_path": "another"}
    assert "warning: trial abcde cannot ask NNI's manager" in capsys.readouterr().err


def test_a_queue_that_has_ended(in_trial: pytest.MonkeyPatch) -> None:
    in_trial.setenv("AUTOSTR_OWN_PARAMETERS", "1")
    in_trial.setattr(Channel, "receive_parameter", lambda _: None)
    with pytest.raises(InputError, match="has ended"):
        parameters_module.own_parameter()


def test_rows_of_nni() -> None:
    row = {"status": "SUCCEEDED", "finalMetricData": [{"data": json.dumps(json.dumps({"default": 0.5}))}]}
    assert final_metrics(row) == {"default": 0.5}
    assert final_metrics({**row, "status": "FAILED"}) is None
    assert final_metrics({"status": "SUCCEEDED"}) is None


def test_loopback_is_exempt_from_proxies() -> None:
    environment = {"no_proxy": "example.org"}
    exempt_loopback(environment)
    assert environment["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    exempt_loopback(environment)
    assert environment["no_proxy"].count("localhost") == 1 and "localhost" in environment["NO_PROXY"]
