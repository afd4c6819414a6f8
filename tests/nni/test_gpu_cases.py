"""Who gets which of pretended GPUs: through `autostr search`, and through nnictl with what mends NNI."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from autostr_nni.nni.manager.launcher import choose_port
from autostr_nni.nni.manager.rest import Manager
from tests.nni.gpus_of_tests.told import COMMAND, asked_at_most_one, on_machine, spans, told

pytestmark = pytest.mark.slow("runs NNI")

ROOT = Path(__file__).parents[2]
#: As docs/nni.md has it.
PRELOAD = "$(python -c 'import autostr_nni as a; print(a.__path__[0])')/nni/manager/mended/preload.cjs"


class Case:
    """One machine, what an experiment asks of it, and the GPUs that its trials then have."""

    def __init__(self, gpus: int, want: int, concurrency: int, given: set[str], each: int = 1) -> None:
        self.gpus, self.want, self.concurrency, self.given, self.each = gpus, want, concurrency, given, each


CASES = {
    "1 of 1": Case(1, 1, 1, {"0"}),
    "2 of 2": Case(2, 2, 1, {"0,1"}),
    "halves of 1": Case(1, 1, 2, {"0"}, each=2),
    "4 trials on 4": Case(4, 1, 4, {"0", "1", "2", "3"}),
}


def write(project: Any, case: Case) -> None:
    service = {"platform": "local", "useActiveGpu": False, "maxTrialNumberPerGpu": case.each}
    keys = {"trialCommand": COMMAND, "trialGpuNumber": case.want, "trainingService": service}
    project.write(case.concurrency, concurrency=case.concurrency, **keys)


def nnictl(project: Any, **variables: str) -> tuple[int, Path]:
    """Create the experiment as docs/nni.md says; the manager's port and the experiment's folder."""
    folder = Path(sys.executable).parent
    project.environment.update(
        variables, PATH=f"{folder}:{os.environ['PATH']}", no_proxy="localhost,127.0.0.1"
    )
    port = choose_port(None)
    create = f"nnictl create --config {shlex.quote(str(project.config))} --port {port}"
    command = f'NODE_OPTIONS="--require {PRELOAD}" {create}'
    for _ in range(5):  # nnictl kills a manager that needs more than three seconds, as on a busy machine
        Path(project.environment["ASKED"]).write_text("")  # the one before was cut short while it asked
        started = project.popen(["bash", "-c", command])
        output, errors = started.communicate(timeout=90)
        if not started.returncode:
            break
    assert not started.returncode, output + errors
    return port, begun_last(project)


def begun_last(project: Any) -> Path:
    """The folder of the experiment that was begun last: `nnictl` may have tried before."""
    found = [path for path in project.experiments.iterdir() if (path / "log").is_dir()]
    return max((path for path in found if not path.is_symlink()), key=lambda path: path.stat().st_ctime)


@pytest.mark.parametrize("way", ["autostr", "nnictl"])
@pytest.mark.parametrize("name", list(CASES))
def test_gpus_of_trials(project: Any, wait_for_status: Callable[..., Any], name: str, way: str) -> None:
    case = CASES[name]
    asked = on_machine(project, case.gpus)
    write(project, case)
    if way == "autostr":
        started = project.autostr()
        output, errors = started.communicate(timeout=120)
        assert started.returncode == 0, output + errors
        folder = begun_last(project)
    else:
        port, folder = nnictl(project)
        wait_for_status(port)
    ran = spans(folder)
    assert len(ran) == case.concurrency + 1 and {gpu for gpu, _, _ in ran} == case.given
    first = sorted(ran, key=lambda span: span[1])[: case.concurrency]
    assert max(begun for _, begun, _ in first) < min(ended for _, _, ended in first)  # at the same time
    assert len({gpu for gpu, _, _ in first}) == len(case.given)
    asked_at_most_one(asked)


@pytest.mark.parametrize(
    ("gpus", "wanted", "sentence"),
    [
        (8, 9, "trialGpuNumber is 9, and this machine has 8 GPUs"),
        (0, 1, "trialGpuNumber asks for GPUs, and there is none that NVIDIA's driver knows"),
    ],
)
def test_nnictl_tells_what_can_never_be_given(
    project: Any, wait_for_status: Callable[..., Any], gpus: int, wanted: int, sentence: str
) -> None:
    asked = on_machine(project, gpus)
    write(project, Case(gpus, wanted, 1, set()))
    port, folder = nnictl(project)
    rows = wait_for_status(port, "ERROR", 30)
    assert {row["status"] for row in rows} <= {"WAITING"}  # none has begun
    (error,) = Manager(f"http://127.0.0.1:{port}").get("check-status")["errors"]
    assert sentence in error
    asked_at_most_one(asked)
    assert len(asked.read_text().splitlines()) <= 8  # and nobody asks on


def test_nnictl_waits_for_a_busy_gpu(project: Any, wait_for_status: Callable[..., Any]) -> None:
    asked = on_machine(project, 1, busy=True)
    write(project, CASES["1 of 1"])
    port, folder = nnictl(project)
    log = folder / "log" / "nnimanager.log"
    told(log, rf"a trial waits for a free GPU; in use by others .*process {os.getpid()}\) on GPU 0", 30)
    rows = Manager(f"http://127.0.0.1:{port}").get("trial-jobs")
    assert [row["status"] for row in rows] == ["WAITING"]
    Path(project.environment["BUSY"]).unlink()
    wait_for_status(port)
    assert {gpu for gpu, _, _ in spans(folder)} == {"0"}
    asked_at_most_one(asked)


@pytest.mark.parametrize("way", ["autostr", "nnictl"])
def test_the_operator_search_has_all_gpus(
    project: Any, tiny_search: Callable[..., Path], wait_for_status: Callable[..., Any], way: str
) -> None:
    """Two paths at a time with a GPU each, then the supernet on both, then the net found."""
    on_machine(project, 2)
    project.config = tiny_search(
        project.folder / "tiny",
        training={"device": "auto", "epochs": 1},
        search={"operators": {"devices": "auto"}},
    )
    config = yaml.safe_load(project.config.read_text())
    config["trialCommand"] = COMMAND.replace(
        "phase_trial.py && sleep 1", "-m autostr_nni.trial --recipe recipe.yml"
    )
    config["tuner"]["codeDirectory"] = config["trialCodeDirectory"] = "."
    config["searchSpace"] = {"step": {"_type": "choice", "_value": ["path", "operators", "train"]}}
    config.update(trialGpuNumber=1, experimentWorkingDirectory=str(project.experiments))
    config["trainingService"] = {"platform": "local", "useActiveGpu": False}
    project.config.write_text(yaml.safe_dump(config))
    if way == "autostr":
        started = project.autostr()
        output, errors = started.communicate(timeout=240)
        assert started.returncode == 0, output + errors
        folder = begun_last(project)
    else:
        port, folder = nnictl(project, AUTOSTR_OPERATOR_GPUS="2")
        wait_for_status(port, seconds=240)
    given = {step: spans(folder, step) for step in ("path", "operators", "train")}
    assert {gpu for gpu, _, _ in given["path"]} == {"0", "1"}
    assert [gpu for gpu, _, _ in given["operators"]] == ["0,1"]
    assert [gpu for gpu, _, _ in given["train"]] in (["0"], ["1"])
    (_, begun, _), (_, other, ended) = given["path"]
    assert max(begun, other) < min(given["path"][0][2], ended)


@pytest.fixture
def paper(project: Any, tiny_words: Path) -> Path:
    """The paper's experiments, with tiny sets in the place of theirs."""
    folder = project.folder / "examples" / "paper"
    folder.mkdir(parents=True)
    for file in (ROOT / "examples" / "paper").glob("*.yml"):
        (folder / file.name).write_text(file.read_text())
    names = ["MJSynth", "SynthText", "IIIT5K_validation", "COCO-Text_train"]
    names += [f"{name}_test" for name in ("IIIT5K", "SVT", "IC03", "IC13", "SVTP", "IC15")]
    (folder / "data").mkdir()
    for name in names:
        kind = "train" if name in names[:2] else "test" if name.endswith("_test") else "validation"
        (folder / "data" / name).mkdir()
        for file in (tiny_words / kind).iterdir():
            (folder / "data" / name / file.name).symlink_to(file)
    return folder


PAPER = sorted(f.name for f in (ROOT / "examples" / "paper").glob("*.yml") if ".recipe" not in f.name)


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_s_experiments_start_on_one_gpu(project: Any, paper: Path, name: str) -> None:
    on_machine(project, 1)
    command = [sys.executable, "-m", "autostr_nni.cli.main", "search", str(paper / name)]
    started = project.popen([*command, "--out", str(project.experiments)])
    page = told(started, r"page: http://127\.0\.0\.1:(\d+)/ +experiment: (\w+)", 60)
    manager = Manager(f"http://127.0.0.1:{page[1]}")
    trials = project.experiments / page[2]

    def begun() -> list[Path]:
        return list(trials.glob("environments/*/trials/*/parameters.json"))

    told(begun, "", 90)
    assert [row["status"] for row in manager.get("trial-jobs")] == ["RUNNING"]
    seen = set()
    for process in project.processes():
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if "NNI_TRIAL_JOB_ID" in environment:
            seen.add(environment["CUDA_VISIBLE_DEVICES"])
    assert seen == {"0"}
    started.terminate()
    started.communicate(timeout=60)
    assert project.processes() == []
