"""GPU keys of an experiment file: refused in a sentence, or made to fit the machine, before a start."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from autostr_nni.cli.main import main
from autostr_nni.nni.experiment import gpus
from autostr_nni.nni.experiment.file import ExperimentFile, load_experiment
from autostr_nni.system.errors import InputError

Write = Callable[..., Path]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_up(count: int, visible: str | None = None) -> None:
        """A machine with so many GPUs, as NVML tells it."""
        nvml = SimpleNamespace(
            nvmlInit=lambda: None, nvmlShutdown=lambda: None, nvmlDeviceGetCount=lambda: count
        )
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return set_up


@pytest.fixture
def written(tmp_path: Path, tiny_search: Write) -> Callable[..., Path]:
    def write(training: dict[str, Any] | None = None, service: Any = None, **keys: Any) -> Path:
        path = tiny_search(tmp_path, training={"device": "auto", **(training or {})})
        content = yaml.safe_load(path.read_text())
        content["trainingService"] = {"platform": "local", **(service or {})}
        path.write_text(yaml.safe_dump({**content, **keys}))
        return path

    return write


def fitted(path: Path) -> tuple[ExperimentFile, list[str]]:
    experiment, told = load_experiment(path), []
    gpus.fit_to_machine(experiment, told.append)
    return experiment, told


OWN = {"useActiveGpu": False}
REFUSED: list[tuple[int, str | None, dict[str, Any], str]] = [
    (
        1,
        None,
        {"service": {"gpuIndices": [5]}},
        "trainingService.gpuIndices has no effect without trialGpuNumber",
    ),
    (1, None, {"service": {"gpu_indices": "0"}}, "write trialGpuNumber: 1"),
    (1, None, {"service": OWN}, "trainingService.useActiveGpu has no effect without trialGpuNumber"),
    (1, None, {"trialGpuNumber": 1}, "trainingService.useActiveGpu is missing; write false"),
    (0, None, {"trialGpuNumber": 1, "service": OWN}, "this machine has no GPU that NVIDIA's driver knows"),
    (
        8,
        None,
        {"trialGpuNumber": 9, "service": OWN},
        "trialGpuNumber is 9, and this machine has 8 GPUs; write 8",
    ),
    (8, None, {"service": {**OWN, "trialGpuNumber": 9}}, "trialGpuNumber is 9"),
    (
        1,
        None,
        {"trialGpuNumber": 1, "service": {**OWN, "gpuIndices": 5}},
        "names GPU 5, and this machine has 1 GPU",
    ),
    (4, None, {"trialGpuNumber": 2, "service": {**OWN, "gpuIndices": [3]}}, "of which gpuIndices leaves 1"),
    (
        4,
        "3",
        {"trialGpuNumber": 2, "service": OWN},
        "of which CUDA_VISIBLE_DEVICES leaves 1; write 1 or less",
    ),
    (
        4,
        "",
        {"trialGpuNumber": 1, "service": OWN},
        "of which CUDA_VISIBLE_DEVICES leaves 0; set CUDA_VISIBLE",
    ),
    (
        4,
        "3",
        {"trialGpuNumber": 1, "service": {**OWN, "gpuIndices": [2]}},
        "not among those of CUDA_VISIBLE_DEVICES=3",
    ),
    (4, "GPU-8f", {"trialGpuNumber": 1, "service": OWN}, "trials are given GPUs by number"),
    (4, None, {"trialGpuNumber": 1, "service": OWN, "training": {"devices": 2}}, "write trialGpuNumber: 2"),
    (
        4,
        None,
        {"trialGpuNumber": 1, "service": OWN, "training": {"device": "cuda:1"}},
        "choose by trainingService.gpu",
    ),
    (4, None, {"trialGpuNumber": 0, "training": {"device": "cuda"}}, "trialGpuNumber: 0 hides all GPUs"),
]


@pytest.mark.parametrize(
    ("there", "wanted", "given"),
    [(4, None, 0), (4, "auto", 4), (4, 3, 3), (4, 1, 2), (2, 4, "may have 2 GPUs")],
)
def test_the_operator_search_may_have_more(
    machine: Any, written: Any, tiny_search: Write, there: int, wanted: Any, given: Any
) -> None:
    machine(there)
    path = written(trialGpuNumber=2, service=OWN)
    recipe = yaml.safe_load((path.parent / "recipe.yml").read_text())
    recipe["search"]["operators"]["devices"] = wanted
    (path.parent / "recipe.yml").write_text(yaml.safe_dump(recipe))
    if isinstance(given, str):
        with pytest.raises(InputError, match=given):
            fitted(path)
    else:
        assert gpus.operator_gpus(fitted(path)[0]) == given


def test_the_operator_search_of_a_strategy_of_ones_own_too(machine: Any, written: Any) -> None:
    machine(4)
    path = written(trialGpuNumber=1, service=OWN)
    (path.parent / "my_paths.py").write_text(
        "from autostr_nni.strategies.two_step import TwoStep\nclass Mine(TwoStep): name = 'mine'\n"
    )
    experiment = yaml.safe_load(path.read_text())
    experiment["tuner"]["className"] = "autostr_nni.nni.tuner.StrategyTuner"
    experiment["tuner"]["classArgs"]["strategy"] = "my_paths:Mine"
    path.write_text(yaml.safe_dump(experiment))
    recipe = yaml.safe_load((path.parent / "recipe.yml").read_text())
    recipe["search"]["operators"]["devices"] = 2
    (path.parent / "recipe.yml").write_text(yaml.safe_dump(recipe))
    assert gpus.operator_gpus(fitted(path)[0]) == 2


@pytest.mark.parametrize(("count", "visible", "keys", "told"), REFUSED)
def test_what_cannot_be_is_refused(
    machine: Any, written: Any, count: int, visible: str | None, keys: dict[str, Any], told: str
) -> None:
    machine(count, visible)
    path = written(**keys)
    with pytest.raises(InputError) as error:
        fitted(path)
    assert told in str(error.value)
    assert str(error.value).startswith(str(path)) or "CUDA_VISIBLE_DEVICES is" in str(error.value)


def test_machines_over_ssh_too(written: Any) -> None:
    machines = [{"host": "here", "user": "me"}, {"host": "there", "user": "me", "gpuIndices": [0]}]
    path = written(service={"platform": "remote", "machineList": machines})
    with pytest.raises(InputError, match=r"trainingService\.machineList\[1\]\.gpuIndices has no effect"):
        fitted(path)


def test_the_recipe_s_devices_are_checked_for_machines_over_ssh_too(written: Any) -> None:
    service = {"platform": "remote", "machineList": [{"host": "here", "user": "me"}]}
    path = written({"devices": 2}, service, trialGpuNumber=1)
    with pytest.raises(InputError, match="write trialGpuNumber: 2"):
        fitted(path)


def test_the_command_refuses_before_anything_starts(
    machine: Any, written: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: Any) -> None:
        pytest.fail("something was started")

    monkeypatch.setattr("autostr_nni.nni.search.start_experiment", no)
    monkeypatch.setattr("autostr_nni.cli.make_ready.prepare_data", no)
    machine(8)
    assert main(["search", str(written(trialGpuNumber=9, service=OWN))]) == 2
    assert "trialGpuNumber is 9, and this machine has 8 GPUs; write 8 or less" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "visible", "training", "concurrency", "number", "each"),
    [
        (4, None, {}, 4, 1, 1),
        (4, None, {}, 2, 1, 1),
        (4, "1,3", {}, 4, 1, 2),
        (2, None, {}, 8, 1, 4),
        (4, None, {"devices": 2}, 2, 2, 1),
        (8, None, {"devices": "auto"}, 2, 4, 1),
    ],
)
def test_trials_do_not_share_the_first_gpu_in_silence(
    machine: Any,
    written: Any,
    count: int,
    visible: str | None,
    training: Any,
    concurrency: int,
    number: int,
    each: int,
) -> None:
    machine(count, visible)
    experiment, told = fitted(written(training, trialConcurrency=concurrency))
    assert experiment.config["trialGpuNumber"] == number
    service = experiment.config["trainingService"]
    assert service == {"platform": "local", "useActiveGpu": True, "maxTrialNumberPerGpu": each}
    assert len(told) == 1 and f"trialGpuNumber: {number}" in told[0]


@pytest.mark.parametrize(
    ("count", "training", "keys"),
    [
        (1, {}, {"trialConcurrency": 4}),
        (0, {}, {"trialConcurrency": 4}),
        (4, {}, {"trialConcurrency": 1}),
        (4, {"device": "cpu"}, {"trialConcurrency": 4}),
        (4, {"device": "cuda:1"}, {"trialConcurrency": 4}),
        (4, {}, {"trialConcurrency": 4, "trialGpuNumber": 0}),
    ],
)
def test_what_shares_nothing_or_was_asked_for_stays(
    machine: Any, written: Any, count: int, training: Any, keys: Any
) -> None:
    machine(count)
    experiment, told = fitted(written(training, **keys))
    assert experiment.config["trainingService"] == {"platform": "local"} and told == []
    assert experiment.config.get("trialGpuNumber") == keys.get("trialGpuNumber")


def test_trials_that_must_take_turns_are_told(machine: Any, written: Any) -> None:
    machine(4)
    _, told = fitted(written(trialGpuNumber=2, trialConcurrency=4, service=OWN))
    assert told == ["note: 2 of 4 trials can run at a time, on 4 GPUs with trialGpuNumber: 2"]


def test_in_this_process_gpu_keys_are_said_to_be_nni_s(
    machine: Any, written: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(1)
    monkeypatch.setattr("autostr_nni.inprocess.run.run_search", lambda *_, **__: {"folder": "here"})
    path = written(trialGpuNumber=1, service=OWN)
    assert main(["search", str(path), "--in-process", "--out", str(tmp_path / "out")]) == 0
    assert "note: trialGpuNumber is NNI's" in capsys.readouterr().out


PAPER = sorted(
    path
    for path in (Path(__file__).parents[3] / "examples" / "paper").glob("*.yml")
    if ".recipe" not in path.name
)


@pytest.mark.parametrize("path", PAPER, ids=[path.stem for path in PAPER])
def test_the_paper_s_experiments_fit_one_gpu(machine: Any, path: Path) -> None:
    machine(1)
    experiment, told = fitted(path)
    assert told == [] and experiment.config["trialGpuNumber"] == 1


@pytest.mark.parametrize(
    ("value", "found"), [(1, [1]), ([0, 2], [0, 2]), ("0, 2", [0, 2]), (0, [0]), (None, [])]
)
def test_ways_to_write_indices(value: Any, found: list[int]) -> None:
    assert gpus.indices_of(value) == found
