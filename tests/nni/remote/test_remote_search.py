"""A search on two machines over SSH: right rows, files brought back, nothing left, and what goes wrong."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.launcher import choose_port
from autostr_nni.nni.manager.rest import Manager

pytestmark = pytest.mark.slow("runs NNI over SSH servers of its own")

EPOCHS = 13  # of a long operator search


def check_trials(search: Any, machines: list[Any]) -> None:
    """Each trial ran what NNI's row says, and what it left is here as it is on its last machine."""
    folder = search.experiment
    rows = search.rows()
    assert sorted(row["step"] for row in rows.values()) == ["operators", "path", "path", "train"]
    for trial, parameters in rows.items():
        here = folder / "trials" / trial
        names = {path.name for path in here.iterdir()}
        assert {"metrics.jsonl", "architecture.json", "last.ckpt", "result.json", "trial.stdout"} <= names
        assert not [name for name in names if name.endswith(".part")]
        ran = json.loads((here / "parameters.json").read_text())["parameters"]
        assert ran == parameters == json.loads((here / "result.json").read_text())["parameters"]
        there = [folders[trial] for machine in machines if trial in (folders := machine.trials(folder.name))]
        assert (here / "last.ckpt").read_bytes() in [(place / "last.ckpt").read_bytes() for place in there]


def finish(search: Any, started: Any) -> dict[str, Any]:
    """The summary of a search that ends well."""
    output, errors = started.communicate(timeout=400)
    assert started.returncode == 0, errors + search.log()
    result: dict[str, Any] = json.loads(output)
    assert result["status"] == "DONE" and result["failed"] == [] and result["trials"] == 4
    return result


def until(condition: Callable[[], Any], seconds: float = 240, started: Any = None) -> Any:
    """What `condition` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert started is None or started.poll() is None, started.communicate()
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def long_operators(search: Any, epochs: int = EPOCHS) -> None:
    """Make the operator search long enough to be interrupted."""
    recipe = search.config.with_name("recipe.yml")
    content = yaml.safe_load(recipe.read_text())
    content["search"]["operators"]["epochs"] = epochs - 1
    recipe.write_text(yaml.safe_dump(content))


def operators(search: Any, machines: list[Any]) -> tuple[str, Any, Any] | None:
    """The operator search, once some epochs of it have been fetched, its machine and the other one."""
    trial = next((id for id, row in search.rows().items() if row["step"] == "operators"), None)
    if trial is None or len(search.epochs(trial)) < 3:
        return None
    first, second = machines
    return (trial, first, second) if trial in first.trials(search.experiment.name) else (trial, second, first)


def test_a_search_on_two_machines(remote_search: Any, machines: list[Any]) -> None:
    result = finish(remote_search, remote_search.start())
    check_trials(remote_search, machines)
    assert {row["stride_path"] for row in result["paths"]} == {"AABBB", "ABABB"}
    best = result["best"]
    assert best["architecture"] == result["found"] and best["test"]["numbers"]["words"] == 24
    assert (Path(best["folder"]) / "best.ckpt").is_file()
    assert all(machine.trials(result["experiment"]) for machine in machines)  # both have worked
    logs = [path for machine in machines for path in machine.home.glob("nni-experiments/*/**/*.log")]
    given = re.findall(r"Trial (\S+) is given GPU (\d)", "".join(path.read_text() for path in logs))
    assert sorted(trial for trial, _ in given) == sorted(remote_search.rows()) and {
        gpu for _, gpu in given
    } == {"1"}
    port = int(result["page"].rstrip("/").rpartition(":")[2])
    assert remote_search.processes() == []
    assert [process for machine in machines for process in machine.processes()] == []
    assert not [c for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN"]


def test_machines_that_cannot_be_used(remote_search: Any, machines: list[Any]) -> None:
    """One has another key than the one that is known of it, the other is off."""
    known, off = machines
    (remote_search.home / ".ssh").mkdir()
    another = (off.folder / "host_key.pub").read_text()
    (remote_search.home / ".ssh" / "known_hosts").write_text(f"[{known.address}]:{known.port} {another}")
    off.kill()
    started = remote_search.start()
    output, errors = started.communicate(timeout=240)
    assert started.returncode == 1
    said = f"machine {known.address}, port {known.port}: its host key is not the one in the known_hosts file"
    assert said in errors
    assert f"machine {off.address}, port {off.port}: connect ECONNREFUSED" in errors
    assert "Traceback" not in errors and remote_search.processes() == [] and known.processes() == []


def test_gpus_that_machines_do_not_have_or_would_share(remote_search: Any, machines: list[Any]) -> None:
    config = yaml.safe_load(remote_search.config.read_text())
    first, second = config["trainingService"]["machineList"]
    first["gpuIndices"] = [5]
    remote_search.config.write_text(yaml.safe_dump(config))
    _, errors = remote_search.start().communicate(timeout=240)
    where = f"machine {machines[0].address}, port {machines[0].port}: "
    assert f"{where}gpuIndices names GPU 5, and this machine has 2 GPUs, counted from 0" in errors
    config["trialConcurrency"] = 3
    del config["trialGpuNumber"], first["gpuIndices"], second["gpuIndices"]
    remote_search.config.write_text(yaml.safe_dump(config))
    recipe = remote_search.config.with_name("recipe.yml")
    recipe.write_text(recipe.read_text().replace("device: cpu", "device: auto"))
    shutil.rmtree(remote_search.experiment)
    _, errors = remote_search.start().communicate(timeout=240)
    assert f"{where}it has 2 GPUs, and without trialGpuNumber its trials would share the first" in errors
    assert remote_search.processes() == [] and not any(machine.processes() for machine in machines)


@pytest.mark.faults
def test_a_machine_is_lost(remote_search: Any, machines: list[Any]) -> None:
    """The power cut comes in the operator search, which goes on elsewhere from its last epoch."""
    long_operators(remote_search)
    started = remote_search.start()
    trial, lost, other = until(lambda: operators(remote_search, machines), started=started)
    lost.kill()
    finish(remote_search, started)
    check_trials(remote_search, machines)
    assert trial in other.trials(remote_search.experiment.name)
    said = f"Trial {trial} goes on from its last checkpoint on machine {other.address}"
    assert said in remote_search.log()
    assert remote_search.epochs(trial) == list(range(EPOCHS))
    assert remote_search.processes() == [] and other.processes() == []


@pytest.mark.faults
def test_a_connection_is_lost_and_comes_back(remote_search: Any, machines: list[Any]) -> None:
    long_operators(remote_search, 10_000)
    started = remote_search.start()
    trial, lost, other = until(lambda: operators(remote_search, machines), started=started)
    lost.cut()
    until(lambda: trial in other.trials(remote_search.experiment.name), started=started)
    until(lambda: lost.processes() == [], 90)  # what ran there ends by itself
    lost.start()
    until(lambda: f"Machine {lost.address} is back." in remote_search.log(), started=started)
    until(lambda: len(remote_search.epochs(trial)) > 20, started=started)
    assert remote_search.epochs(trial)[:20] == list(range(20))
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=90)
    assert remote_search.processes() == []
    assert [process for machine in machines for process in machine.processes()] == []


@pytest.mark.faults
def test_the_manager_is_killed(remote_search: Any, machines: list[Any]) -> None:
    """All that runs for the search on its own machine is killed; `autostr resume` goes on."""
    long_operators(remote_search)
    started = remote_search.start()
    trial, _, _ = until(lambda: operators(remote_search, machines), started=started)
    before = remote_search.epochs(trial)
    processes.end(remote_search.processes())
    started.communicate()
    until(lambda: not any(machine.processes() for machine in machines), 90)
    paths = [id for id, row in remote_search.rows().items() if row["step"] == "path"]
    ended = [(remote_search.experiment / "trials" / id / "result.json").stat().st_mtime_ns for id in paths]
    result = finish(remote_search, remote_search.start("resume", str(remote_search.experiment), "--json"))
    check_trials(remote_search, machines)
    assert len(before) < EPOCHS and remote_search.epochs(trial) == list(range(EPOCHS))
    assert ended == [
        (remote_search.experiment / "trials" / id / "result.json").stat().st_mtime_ns for id in paths
    ]
    assert trial not in result["failed"] and remote_search.processes() == []
    assert not any(machine.processes() for machine in machines)


@pytest.mark.faults
def test_sigterm_ends_what_runs_on_machines(remote_search: Any, machines: list[Any]) -> None:
    started = remote_search.start()
    until(lambda: len(remote_search.rows()) == 2, started=started)
    until(lambda: all(machine.trials(remote_search.experiment.name) for machine in machines), started=started)
    started.send_signal(signal.SIGTERM)
    _, errors = started.communicate(timeout=90)
    assert started.returncode == 130 and "Traceback" not in errors
    assert remote_search.processes() == []
    assert not any(machine.processes() for machine in machines)


@pytest.mark.faults
def test_parameters_under_plain_nnictl(remote_search: Any, machines: list[Any]) -> None:
    """NNI's own manager hands parameters to whoever asks first; our trials ask for their own."""
    config = yaml.safe_load(remote_search.config.read_text())
    config.update(nniManagerIp="127.0.0.1", experimentWorkingDirectory=str(remote_search.experiments))
    config["tuner"]["codeDirectory"] = config["trialCodeDirectory"] = "."
    config["searchSpace"] = {"step": {"_type": "choice", "_value": ["path", "operators", "train"]}}
    remote_search.config.write_text(yaml.safe_dump(config))
    nnictl, port = str(Path(sys.executable).with_name("nnictl")), choose_port(None)
    remote_search.environment["no_proxy"] = "localhost,127.0.0.1"
    create = ["create", "--config", str(remote_search.config), "--port", str(port)]
    created = remote_search.run(nnictl, *create)
    output, errors = created.communicate(timeout=120)
    assert created.returncode == 0, output + errors
    manager = Manager(f"http://127.0.0.1:{port}")
    until(lambda: manager.get("check-status")["status"] == "DONE", 300)
    rows = remote_search.rows()
    assert sorted(row["step"] for row in rows.values()) == ["operators", "path", "path", "train"]
    for machine in machines:
        for trial, folder in machine.trials(remote_search.experiment.name).items():
            assert json.loads((folder / "parameters.json").read_text())["parameters"] == rows[trial]
    remote_search.run(nnictl, "stop", remote_search.experiment.name).communicate(timeout=120)
    shutil.rmtree(remote_search.experiment)
