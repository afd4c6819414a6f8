"""What version 0.1.0 left on disk is still reported, gone on with, evaluated and exported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main

FOUND = "ABABB:k3e1,k3e1,k3e1,k5e3,k3e1,k3e1"
FIRST_EPOCH = {"default": 0.2, "loss": 3.427821397781372, "images_seen": 160}


def told(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> dict[str, Any]:
    """What a command prints as JSON."""
    assert main([*map(str, arguments), "--json"]) == status, capsys.readouterr().err
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_reported(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both searches, as they stood: three trials done, of the fourth what it had reached."""
    out = old / "report"
    folders = (old / "search", old / "experiments" / "tbmqj074")
    report = told(capsys, "report", *folders, "--out", out)
    assert (out / "report.html").is_file()
    without, through = report["searches"]
    assert (without["kind"], through["kind"]) == ("in-process search", "NNI experiment")
    for search in (without, through):
        assert search["strategy"] == "two-step"
        assert [row["path"] for row in search["paths"]] == ["ABABB", "AABBB"]
        assert [row["macs_m"] for row in search["paths"]] == [0.073976, 0.072312]
        (searched,) = search["operators"]
        assert searched["architecture"] == FOUND
        assert searched["epochs"][-1]["expected_macs_m"] == pytest.approx(0.1351, abs=1e-4)
    assert without["sentence"].startswith("stopped before it was finished: 3 of 4 trials done")
    best = through["best"]
    assert best["architecture"] == FOUND and best["macs_m"] == 0.08204


def test_listed(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = told(capsys, "list", old / "experiments")
    assert json.dumps(listed).count("tbmqj074")


def test_gone_on_with(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the end of the first epoch, which is not trained again, to the end."""
    outcome = told(capsys, "resume", old / "search")
    assert outcome["failure"] is None or "nothing was learnt" in outcome["failure"]
    assert outcome["found"] == FOUND and outcome["failed"] == [] and outcome["trials"] == 4
    lines = (old / "search" / "trials" / "train" / "metrics.jsonl").read_text().splitlines()
    epochs = [json.loads(line) for line in lines]
    assert [line["epoch"] for line in epochs] == [0, 1, 2]
    assert FIRST_EPOCH.items() <= epochs[0].items()
    assert [line["images_seen"] for line in epochs] == [160, 320, 480]
    assert {line["macs_m"] for line in epochs} == {0.08204}  # the first had it by another name
    assert outcome["best"]["macs_m"] == 0.08204


@pytest.mark.slow("runs NNI")
def test_gone_on_with_through_nni(old: Path) -> None:
    folder = old / "experiments" / "tbmqj074"
    command = [sys.executable, "-m", "autostr_nni.cli.main", "resume", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    outcome = json.loads(done.stdout)
    assert outcome["status"] == "DONE", done.stderr
    assert outcome["found"] == FOUND and outcome["failed"] == [] and outcome["trials"] == 4
    assert outcome["best"]["macs_m"] == 0.08204


def test_evaluated(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = told(capsys, "evaluate", old / "search" / "trials" / "train" / "best.ckpt", old / "validation")
    accuracies = json.dumps(table)
    assert '"words": 10' in accuracies and '"word_accuracy": 0.2' in accuracies


def test_exported(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, file = old / "search" / "trials" / "train" / "best.ckpt", old / "net.pt"
    told(capsys, "export", checkpoint, file)
    assert file.stat().st_size > 10_000
