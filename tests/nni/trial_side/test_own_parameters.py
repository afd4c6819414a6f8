"""Every row of NNI's list carries what its trial ran: at concurrency 4, with early deaths and late starts."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from autostr_nni.nni.manager.launcher import choose_port
from autostr_nni.nni.rows import final_metrics, parameters_of

# 13 proposals, 2 of them run twice, and one after the barrier: 16 trials.
TRIALS, DIE, LATE = 13, (1, 4), (2, 5, 7)


def check_rows(rows: list[dict[str, Any]], ran: dict[str, dict[str, Any]]) -> None:
    assert len(rows) == TRIALS + len(DIE) + 1  # the dead ones are repeated, and one trial follows the barrier
    statuses = {row["trialJobId"]: row["status"] for row in rows}
    assert list(statuses.values()).count("FAILED") == len(DIE), statuses
    good = [row for row in rows if row["status"] == "SUCCEEDED"]
    wrong = [row["trialJobId"] for row in good if ran[row["trialJobId"]] != parameters_of(row)]
    wrong += [
        row["trialJobId"] for row in good if final_metrics(row)["ran"] != parameters_of(row)["stride_path"]
    ]
    assert wrong == []
    for row in good:  # metrics are kept under the parameter's own id
        assert row["finalMetricData"][0]["parameterId"] == str(
            json.loads(row["hyperParameters"][0])["parameter_id"]
        )
    assert {parameters_of(row)["stride_path"] for row in good} == {f"P{i:02d}" for i in range(TRIALS)}
    last = next(row for row in good if parameters_of(row)["step"] == "train")
    assert parameters_of(last)["stride_path"] == f"P{TRIALS - 1:02d}"  # the lowest loss


def own_address() -> str | None:
    """An address of this machine besides loopback."""
    for interface in psutil.net_if_addrs().values():
        for item in interface:
            if item.family == socket.AF_INET and not item.address.startswith("127."):
                return str(item.address)
    return None


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(3)
        return probe.connect_ex((address, port)) == 0


@pytest.mark.slow("runs NNI")
def test_autostr_search(project: Any, wait_for_status: Any) -> None:
    project.write(TRIALS, die=DIE, late=LATE)
    started = project.autostr("--detach")
    output, errors = started.communicate(timeout=60)
    assert started.returncode == 0, errors
    page = re.search(r"http://127\.0\.0\.1:(\d+)/ +experiment: (\w+)", output)
    assert page, output
    port, experiment = int(page[1]), page[2]

    assert listens("127.0.0.1", port)
    address = own_address()
    assert address is None or not listens(address, port)
    listening = [
        c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port
    ]
    assert set(listening) <= {"127.0.0.1", "::1"}

    check_rows(wait_for_status(port), project.ran(experiment))
    stopped = project.popen([str(Path(sys.executable).with_name("nnictl")), "stop", experiment])
    stopped.communicate(timeout=60)
    assert project.processes() == []


@pytest.mark.slow("runs NNI")
def test_plain_nnictl(project: Any, wait_for_status: Any) -> None:
    project.write(TRIALS, die=DIE, late=LATE)
    folder = Path(sys.executable).parent
    project.environment["PATH"] = f"{folder}:{project.environment['PATH']}"
    project.environment["no_proxy"] = "localhost,127.0.0.1"
    port = choose_port(None)
    command = [str(folder / "nnictl"), "create", "--config", str(project.config), "--port", str(port)]
    for _ in range(
        5
    ):  # nnictl gives its manager three seconds, which a busy machine does not keep, and kills it
        started = project.popen(command)
        output, errors = started.communicate(timeout=60)
        if not started.returncode:
            break
    assert not started.returncode, output + errors
    rows = wait_for_status(port)
    begun = [
        path for path in project.experiments.iterdir() if not path.is_symlink() and (path / "log").is_dir()
    ]
    experiment = max(begun, key=lambda path: path.stat().st_ctime).name
    check_rows(rows, project.ran(experiment))


def test_remote_machines_take_the_next_port_too() -> None:
    from autostr_nni.system.errors import InputError

    port = choose_port(None, remote=True)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        assert choose_port(port) == port
        with pytest.raises(InputError, match=f"port {port + 1} is in use"):
            choose_port(port, remote=True)


@pytest.mark.parametrize("port", [0, 70000])
def test_a_port_that_cannot_be(port: int) -> None:
    from autostr_nni.system.errors import InputError

    with pytest.raises(InputError, match="from 1 to 65535"):
        choose_port(port)
