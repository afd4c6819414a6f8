"""`autostr search` through NNI: its end, its exit status, and that nothing is left running."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autostr_nni.nni.search import _failure


@pytest.mark.slow("runs NNI")
def test_search_to_its_end(project: Any) -> None:
    project.write(trials=3, concurrency=2, die=(0,))
    started = project.autostr("--json")
    output, progress = started.communicate(timeout=90)
    assert started.returncode == 0, progress
    result = json.loads(output)
    assert result["status"] == "DONE" and result["failure"] is None
    assert [row["stride_path"] for row in result["paths"]] == ["P02", "P01", "P00"]
    assert result["best"]["stride_path"] == "P02"
    assert result["trials"] == 5 and len(result["failed"]) == 1
    assert result["page"] in progress
    assert f"trial {result['failed'][0]}" in progress and "died on purpose; its log: " in progress
    assert "4 trials done, 0 running, 1 failed, best" in progress
    assert project.processes() == []
    assert json.loads((project.experiments / result["experiment"] / "summary.json").read_text()) == result


@pytest.mark.slow("runs NNI")
def test_a_fault_of_the_tuner_ends_the_search(project: Any) -> None:
    project.write(trials=2, concurrency=1, fault=True)
    started = project.autostr()
    output, errors = started.communicate(timeout=90)
    assert started.returncode == 1
    assert "the experiment ended in an error (RuntimeError: a fault of the strategy)" in errors
    assert len(errors.strip().splitlines()) == 1
    assert project.processes() == []


@pytest.mark.slow("runs NNI")
def test_sigterm_stops_everything(project: Any) -> None:
    project.write(trials=2, concurrency=2, hang=True)
    started = project.autostr()
    deadline = time.monotonic() + 60
    while not any(process.name() == "sleep" for process in project.processes()):
        assert time.monotonic() < deadline and started.poll() is None
        time.sleep(0.2)
    started.send_signal(signal.SIGTERM)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    experiment = (project.experiments / "_latest").resolve().name
    told = f"autostr: stopped; nothing is left running; go on with: autostr resume {experiment}"
    assert errors.strip() == told
    assert project.processes() == []


def test_a_busy_port(project: Any) -> None:
    project.write(trials=2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        started = project.autostr("--port", str(port))
        _, errors = started.communicate(timeout=60)
    assert started.returncode == 2
    assert errors.startswith(f"autostr: error: port {port} is in use; choose another with --port")
    assert len(errors.strip().splitlines()) == 1


def test_a_tuner_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    """NNI names a log; its last line is the reason."""
    told = "Traceback (most recent call last):\n  File ...\nValueError: 'x' is no strategy\n\n"
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "dispatcher.log").write_text(told)
    running: Any = SimpleNamespace(folder=tmp_path)
    experiment: Any = SimpleNamespace(config={"tuner": {}}, strategy_name=None)
    errors = ["The tuner ended before it connected; see dispatcher.log."]
    failure = _failure("ERROR", errors, running, [], {}, experiment)
    assert failure is not None and "see dispatcher.log. It says: ValueError: 'x' is no strategy)" in failure
