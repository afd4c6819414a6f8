"""Searches through NNI's manager on machines with pretended GPUs: who gets which, and waiting for them."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.nni.manager.rest import Manager

pytestmark = pytest.mark.slow("runs NNI")

OWN = {"platform": "local", "useActiveGpu": False}
NOTED = "import os,sys,time; print(sys.argv[1], os.environ['CUDA_VISIBLE_DEVICES'], time.time(), flush=True)"
COMMAND = f'python -c "{NOTED}" starts && python phase_trial.py && sleep 1 && python -c "{NOTED}" ends'
WAITS = (
    r"a trial waits for a free GPU; in use by others \(useActiveGpu: true would share\): "
    r"(python.*) \(process {}\) on GPU 1, 3"
)


@pytest.fixture
def pretended(project: Any) -> Any:
    """The project on a machine with 4 GPUs, all busy, of which 1 and 3 may be used."""
    names = {name: str(project.folder / name.lower()) for name in ("ASKED", "BUSY")}
    Path(names["BUSY"]).touch()
    stand_in = Path(__file__).with_name("gpus_of_tests")
    project.environment.update(
        names, PYTHONPATH=str(stand_in), GPUS="4", HOLDER=str(os.getpid()), CUDA_VISIBLE_DEVICES="1,3"
    )
    return project


def told(started: Any, pattern: str) -> tuple[re.Match[str], float]:
    """What a line of the output says that matches, and after how long."""
    begun, lines = time.monotonic(), []
    for line in started.stdout:
        lines.append(line)
        if match := re.search(pattern, line):
            return match, time.monotonic() - begun
    pytest.fail("".join(lines) + started.stderr.read())


def spans(folder: Path) -> list[tuple[str, float, float]]:
    """Of each trial its GPU, when it began and when it ended."""
    found = []
    for output in folder.glob("environments/*/trials/*/trial.stdout"):
        times = re.findall(r"^(?:starts|ends) (\S+) ([\d.]+)$", output.read_text(), re.M)
        (gpu, begun), (_, ended) = times
        found.append((gpu, float(begun), float(ended)))
    return sorted(found)


def test_trials_wait_for_their_gpus_and_share_none(pretended: Any) -> None:
    pretended.write(3, concurrency=3, trialCommand=COMMAND, trialGpuNumber=1, trainingService=OWN)
    started = pretended.autostr()
    told(started, r"note: 2 of 3 trials can run at a time, on 2 GPUs")
    page, _ = told(started, r"experiment: (\w+)")
    _, after = told(started, WAITS.format(os.getpid()))
    assert after < 30  # 5 s and what a busy machine takes for a manager and a tuner
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
    asked = [line.split()[0] for line in Path(pretended.environment["ASKED"]).read_text().splitlines()]
    assert asked == ["begins", "ends"] * (len(asked) // 2)  # never two at a time


def test_a_wait_is_seen_and_can_be_interrupted(pretended: Any) -> None:
    pretended.write(2, concurrency=1, trialGpuNumber=1, trainingService=OWN)
    started = pretended.autostr()
    page, _ = told(started, r"page: http://127\.0\.0\.1:(\d+)/ +experiment: (\w+)")
    told(started, WAITS.format(os.getpid()))
    rows = Manager(f"http://127.0.0.1:{page[1]}").get("trial-jobs")
    assert [row["status"] for row in rows] == ["WAITING"]
    begun = time.monotonic()
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert time.monotonic() - begun < 8  # 1 s where nothing else runs
    assert started.returncode == 130 and "nothing is left running" in errors
    assert pretended.processes() == []
