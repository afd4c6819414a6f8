"""Searches through NNI's manager on machines with pretended GPUs: who gets which, and waiting for them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.nni.manager.rest import Manager
from tests.nni.gpus_of_tests.told import COMMAND, asked_at_most_one, on_machine, spans, told

pytestmark = pytest.mark.slow("runs NNI")

OWN = {"platform": "local", "useActiveGpu": False}
WAITS = (
    r"a trial waits for a free GPU; in use by others \(useActiveGpu: true would share\): "
    r"(python.*) \(process {}\) on GPU 1, 3"
)


@pytest.fixture
def pretended(project: Any) -> Any:
    """The project on a machine with 4 GPUs, all busy, of which 1 and 3 may be used."""
    on_machine(project, 4, busy=True, visible="1,3")
    return project


def test_trials_wait_for_their_gpus_and_share_none(pretended: Any) -> None:
    pretended.write(3, concurrency=3, trialCommand=COMMAND, trialGpuNumber=1, trainingService=OWN)
    started = pretended.autostr()
    told(started, r"note: 2 of 3 trials can run at a time, on 2 GPUs", 30)
    page = told(started, r"experiment: (\w+)", 60)
    begun = time.monotonic()
    told(
        started, WAITS.format(os.getpid()), 30
    )  # 5 s and what a busy machine takes for a manager and a tuner
    time.sleep(max(0.0, begun + 20 - time.monotonic()))
    Path(pretended.environment["BUSY"]).unlink()
    output, errors = started.communicate(timeout=120)
    assert started.returncode == 0, output + errors
    assert "the wait is over" in output

    folder = pretended.experiments / page[1]
    assert "a trial waits for a free GPU" in (folder / "log" / "nnimanager.log").read_text()
    ran = spans(folder)
    assert len(ran) == 4 and {gpu for gpu, _, _ in ran} == {"1", "3"}
    for (gpu, _, ended), (next_gpu, begun, _) in zip(ran, ran[1:], strict=False):
        assert gpu != next_gpu or ended <= begun + 0.1
    asked_at_most_one(Path(pretended.environment["ASKED"]))


def test_a_wait_is_seen_and_can_be_interrupted(pretended: Any) -> None:
    pretended.write(2, concurrency=1, trialGpuNumber=1, trainingService=OWN)
    started = pretended.autostr()
    page = told(started, r"page: http://127\.0\.0\.1:(\d+)/ +experiment: (\w+)", 60)
    told(started, WAITS.format(os.getpid()), 30)
    rows = Manager(f"http://127.0.0.1:{page[1]}").get("trial-jobs")
    assert [row["status"] for row in rows] == ["WAITING"]
    begun = time.monotonic()
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert time.monotonic() - begun < 8  # 1 s where nothing else runs
    assert started.returncode == 130 and "nothing is left running" in errors
    assert pretended.processes() == []
