"""Machines of the tests' own: SSH servers on loopback addresses, each with a home folder of its own."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.launcher import choose_port
from tests.processes import at_home

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
GPUS = Path(__file__).parents[1] / "gpus_of_tests"  # stand in for NVIDIA's: two on each machine
SEPARATION = Path("/run/sshd")  # root's sshd wants it

SERVER = """
ListenAddress {address}
Port {port}
HostKey "{folder}/host_key"
AuthorizedKeysFile "{folder}/user_key.pub"
PidFile "{folder}/sshd.pid"
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 50
Subsystem sftp internal-sftp
SetEnv "HOME={folder}/home" OMP_NUM_THREADS=1 PIP_NO_INDEX=1 "PYTHONPATH={python_path}" {pretended}
"""


class Machine:
    """An SSH server and everything that runs below its home folder."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.home = folder / "home"
        self.environment = folder / "env"  # another path to this process's own
        self.port = choose_port(None, address)
        self.home.mkdir(parents=True)
        for name in ("host_key", "user_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        (self.environment / "bin").mkdir(parents=True)
        (self.environment / "lib").symlink_to(Path(sys.prefix) / "lib")
        (self.environment / "bin/python").symlink_to(Path(sys.executable).resolve())
        shutil.copy(Path(sys.prefix) / "pyvenv.cfg", self.environment)
        python_path = os.environ.get("PYTHONPATH", "")
        python_path = f"{GPUS}:{python_path}"
        pretended = f'GPUS=2 "ASKED={folder}/asked" "BUSY={folder}/busy" HOLDER=1'
        settings = SERVER.format(
            address=address, port=self.port, folder=folder, python_path=python_path, pretended=pretended
        )
        (folder / "sshd_config").write_text(settings)
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        assert SSHD is not None
        command = [SSHD, "-D", "-E", str(self.folder / "sshd.log"), "-f", str(self.folder / "sshd_config")]
        self._server = subprocess.Popen(command)
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((self.address, self.port)) == 0:
                    return
            log = self.folder / "sshd.log"
            assert self._server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    @property
    def entry(self) -> dict[str, Any]:
        """This machine in an experiment file's machineList."""
        return {
            "host": self.address,
            "port": self.port,
            "user": getpass.getuser(),
            "sshKeyFile": str(self.folder / "user_key"),
            "pythonPath": str(self.environment / "bin"),
        }

    def processes(self) -> list[psutil.Process]:
        """What runs in this machine's home, besides the server."""
        return at_home(self.home)

    def trials(self, experiment: str) -> dict[str, Path]:
        """Folders of the trials that this machine has run, by trial id."""
        pattern = f"nni-experiments/{experiment}/environments/*/trials/*/"
        return {folder.name: folder for folder in self.home.glob(pattern)}

    def cut(self) -> None:
        """The server and its connections end; what was started over them goes on."""
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._server.pid)
            for process in [server, *server.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    family += [process] if "sshd" in process.name() else []
        processes.end(family)
        self._server.wait()

    def kill(self) -> None:
        """The power cut: the server and everything that it runs."""
        self.cut()
        processes.end(self.processes())
        processes.end(self.processes())  # started meanwhile


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[list[Machine]]:
    """Two of them, at 127.0.0.2 and 127.0.0.3. Of the second no path is one word for a shell."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd: install openssh-server")
    made_separation = os.getuid() == 0 and not SEPARATION.exists()
    if made_separation:
        SEPARATION.mkdir(mode=0o755)
    made: list[Machine] = []
    try:
        for name, address in (("machine1", "127.0.0.2"), ("machine 2's", "127.0.0.3")):
            made.append(Machine(tmp_path / name, address))
        yield made
    finally:
        for machine in made:
            machine.kill()
        if made_separation:
            SEPARATION.rmdir()


class Search:
    """A search whose trials run on the machines; its own home is that of none of them."""

    def __init__(self, folder: Path, machines: list[Machine], config: Path) -> None:
        self.folder, self.config = folder, config
        self.experiments = folder / "nni-experiments"
        content = yaml.safe_load(config.read_text())
        entries = [{**item.entry, "gpuIndices": [1]} for item in machines]
        content["trainingService"] = {"platform": "remote", "machineList": entries}
        content["trialGpuNumber"] = 1  # of the one GPU that a machine may give
        config.write_text(yaml.safe_dump(content))
        home = folder / "home"
        home.mkdir(parents=True)
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "NNI_CONFIG_DIR": str(folder / "nni-config"),
            "OMP_NUM_THREADS": "1",
            "http_proxy": "http://127.0.0.1:9",  # must not come between
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run `autostr search`, or another command, with its results below this search's folder."""
        words = arguments or ("search", str(self.config), "--json", "--out", str(self.experiments))
        return self.run(sys.executable, "-m", "autostr_nni.cli.main", *words)

    def run(self, *command: str) -> subprocess.Popen[str]:
        """Start a program in this search's environment."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=pipe, stderr=pipe, text=True
        )

    def processes(self) -> list[psutil.Process]:
        """Everything alive that was started for this search, besides what runs on machines."""
        return at_home(self.home)

    @property
    def home(self) -> Path:
        return Path(self.environment["HOME"])

    @property
    def experiment(self) -> Path | None:
        """The experiment's folder, once it is there."""
        return next(
            (path.parent for path in self.experiments.glob("*/db") if not path.parent.is_symlink()), None
        )

    def log(self) -> str:
        """What NNI's manager has noted."""
        return (self.experiment / "log" / "nnimanager.log").read_text() if self.experiment else ""

    def rows(self) -> dict[str, dict[str, Any]]:
        """NNI's record of each trial: the parameters that it was started with."""
        base = self.experiment / "db" / "nni.sqlite" if self.experiment else None
        if base is None or not base.exists():
            return {}
        query = "SELECT trialJobId, data FROM TrialJobEvent WHERE data LIKE '{%'"
        with contextlib.closing(sqlite3.connect(f"{base.as_uri()}?mode=ro", uri=True, timeout=20)) as opened:
            try:
                found = opened.execute(query).fetchall()
            except sqlite3.OperationalError:  # no table yet
                return {}
        return {trial: json.loads(data)["parameters"] for trial, data in found}

    def epochs(self, trial: str) -> list[int]:
        """Epochs of a trial whose metrics have been fetched."""
        assert self.experiment is not None
        metrics = self.experiment / "trials" / trial / "metrics.jsonl"
        lines = metrics.read_text().splitlines() if metrics.is_file() else []
        return [json.loads(line)["epoch"] for line in lines]


@pytest.fixture
def remote_search(
    tmp_path: Path, machines: list[Machine], tiny_search: Callable[..., Path]
) -> Iterator[Search]:
    """The tiny search on both machines. Its data lie at the same place on each."""
    folder = tmp_path / "manager"
    made = Search(folder, machines, tiny_search(folder / "project"))
    yield made
    processes.end(made.processes())
