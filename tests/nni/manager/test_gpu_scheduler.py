"""NNI's GPU scheduler as it is mended, over pretended GPUs and without a manager."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nni_node
import pytest

from autostr_nni.nni.manager.launcher import PRELOAD

NNI_NODE = Path(next(iter(nni_node.__path__)))
NODE = NNI_NODE / "node"
GPUS = PRELOAD.with_name("gpus.cjs")
HERE = Path(__file__).parent
ALONE: dict[str, Any] = {"rejectActive": True}
SHARING: dict[str, Any] = {"rejectActive": False}


def scheduled(visible: str | None = None, **case: Any) -> dict[str, Any]:
    """GPUs of each try and what is told of the wait."""
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    command = [str(NODE), str(HERE / "gpu_cases.cjs"), str(NNI_NODE), str(GPUS), json.dumps([case])]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(output)[0]
    return found


@pytest.mark.parametrize(
    ("gpus", "tries", "placed"),
    [
        (1, [[1, ALONE]], ["0"]),
        (4, [[4, ALONE]], ["0,1,2,3"]),
        (2, [[2, ALONE], [1, ALONE]], ["0,1", None]),
        (2, [[1, ALONE], [1, ALONE], [1, ALONE], ["ends", 0], [1, ALONE]], ["0", "1", None, "0"]),
        (1, [[0.5, ALONE], [0.5, ALONE], [0.5, ALONE]], ["0", "0", None]),
        (4, [[1, ALONE]] * 5, ["0", "1", "2", "3", None]),
        (4, [[1, {**ALONE, "onlyUseIndices": [2, 3]}]] * 3, ["2", "3", None]),
        (2, [[3, ALONE]], [None]),
        (2, [[0, ALONE]], [""]),
        # What NNI makes of trialGpuNumber: 2 with maxTrialNumberPerGpu: 2.
        (2, [[1, {**ALONE, "trialsPerGpu": 2}]] * 3, ["0,1", "0,1", None]),
        (3, [[2 / 3, {**ALONE, "trialsPerGpu": 3}]] * 4, ["0,1", "0,2", "1,2", "0,1"]),
    ],
)
def test_gpus_of_trials(gpus: int, tries: list[Any], placed: list[str | None]) -> None:
    found = scheduled(gpus=gpus, tries=tries)
    assert found["placed"] == placed
    assert "told" not in found  # nobody else is to blame


def test_others_keep_a_trial_waiting_and_are_named() -> None:
    found = scheduled(gpus=2, busy={"41": [0, 1], "42": [1]}, tries=[[1, ALONE]])
    assert found["placed"] == [None]
    assert found["told"] == (
        "a trial waits for a free GPU; in use by others (useActiveGpu: true would share): "
        "train.py (process 41) on GPU 0, 1; train.py (process 42) on GPU 1"
    )


def test_a_free_gpu_is_taken_before_one_in_use() -> None:
    assert scheduled(gpus=2, busy={"41": [0]}, tries=[[1, ALONE]])["placed"] == ["1"]
    assert scheduled(gpus=2, busy={"41": [0]}, tries=[[1, SHARING]] * 2)["placed"] == ["1", "0"]


def test_a_trial_of_ours_does_not_keep_the_next_off_its_gpu() -> None:
    half = [0.5, ALONE]
    assert scheduled(gpus=1, thenBusy={"77": [0]}, tries=[half, half])["placed"] == ["0", "0"]


@pytest.mark.parametrize(
    ("visible", "placed"),
    [
        ("3", ["3", None]),
        ("3,1", ["1", "3"]),
        ("", [None, None]),
        ("2,-1,3", ["2", None]),
        ("NoDevFiles", [None] * 2),
    ],
)
def test_trials_stay_within_the_gpus_of_whoever_started_the_experiment(
    visible: str, placed: list[str | None]
) -> None:
    assert scheduled(visible, gpus=4, tries=[[1, SHARING]] * 2)["placed"] == placed


ASKED = """
const gpus = require(process.argv[2]);
const scripts = { runPythonModule: async (name) => name };
const globals = { args: { pythonInterpreter: process.argv[3] } };
gpus.mend(scripts, 'common/pythonScript', '/none/nni_node/x.js', () => ({ globals }));
const ask = () => scripts.runPythonModule('nni.tools.nni_manager_scripts.collect_gpu_info');
(async () => {
  for (const round of [1, 2]) {
    const answers = await Promise.all([...Array(20)].map(ask));
    if (new Set(answers).size !== 1) throw new Error('answers differ');
    await new Promise((resolve) => setTimeout(resolve, round === 1 ? 2100 : 0));
  }
  console.log(await scripts.runPythonModule('another'));
})();
"""


def test_one_process_asks_for_gpus_at_a_time(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\necho x >> {asked}; sleep 0.2; echo \'{{"success": true, "processes": []}}\'\n'
    )
    python.chmod(0o755)
    script = tmp_path / "asked.cjs"
    script.write_text(ASKED)
    command = [str(NODE), str(script), str(GPUS), str(python)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output.strip() == "another"
    assert asked.read_text() == "x\n" * 2  # one for each round of 20


@pytest.mark.parametrize(
    ("wanted", "limits", "info", "told"),
    [
        (1, {}, {"gpuNumber": 1}, None),
        (None, {"gpuIndices": [9]}, None, None),
        (9, {}, {"gpuNumber": 8}, "trialGpuNumber is 9, and this machine has 8 GPUs"),
        (
            1,
            {"gpuIndices": [5]},
            {"gpuNumber": 1},
            "gpuIndices names GPU 5, and this machine has 1 GPU, counted",
        ),
        (2, {}, {"gpuNumber": 4, "allotted": [3]}, "has 4 GPUs, of which 1 may be used"),
    ],
)
def test_what_can_never_be_given_is_told_at_the_start(
    wanted: int | None, limits: dict[str, Any], info: Any, told: str | None
) -> None:
    values = ", ".join(map(json.dumps, (wanted, limits, info)))
    script = f"console.log(JSON.stringify(require({json.dumps(str(GPUS))}).impossible({values})))"
    output = subprocess.run([str(NODE), "-e", script], check=True, capture_output=True, text=True).stdout
    said = json.loads(output)
    assert said is None if told is None else told in said
