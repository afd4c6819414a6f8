"""A search through NNI that is held at chosen moments, so that a fault strikes where it is meant to.

Every process of the search imports `sitecustomize` from `held/`: before a batch it looks for a file named
after the moment (`operators-1-3`: step, epoch, batch), takes it, and waits until what it has taken is gone.
Where `holds/deaths` is, two thirds of the proposals die when they are first tried: before their first report,
or with a result that was not reported.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
from fault_moments import HELD

import autostr_nni
from tests.processes import at_home, with_word

# The code of these tests' own process, whatever copy is installed: figures are compared between the two.
HERE = Path(autostr_nni.__file__).parents[1]
PATHS = ("AABBB", "ABABB", "ABBAB")
EPOCHS = {"path": 3, "operators": 3, "train": 3}
CHANGES: dict[str, Any] = {
    "data": {"workers": 1},
    "training": {"epochs": 3},
    "search": {"path": {"paths": list(PATHS)}},
}
PATIENCE = 300.0  # seconds that the slowest machine may take for what is waited for


def wait(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first value of `condition` that is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not in {seconds:.0f} s"
        time.sleep(0.05)


class Search:
    """The files and processes of a search in `folder`."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.config = folder, config
        self.experiments = folder / "nni-experiments"
        self.holds = folder / "held" / "holds"
        self.holds.mkdir(parents=True)
        (folder / "held" / "sitecustomize.py").write_text(HELD)
        (self.holds / "steps.txt").touch()
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "NNI_CONFIG_DIR": str(folder / "nni-config"),
            "OMP_NUM_THREADS": "1",
            "PYTHONUTF8": "1",
            "PYTHONPATH": os.pathsep.join(
                [str(folder / "held"), str(HERE), os.environ.get("PYTHONPATH", "")]
            ),
            "FAULTS_HOLDS": str(self.holds),
        }
        self.ports: set[int] = set()
        self.count = 0
        self.id = ""

    # --- running -------------------------------------------------------------------------------------------

    def popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a command; what it says is in `said()`."""
        self.count += 1
        with open(self.folder / f"said-{self.count}.txt", "wb") as out:
            return subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT
            )

    def autostr(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.popen([sys.executable, "-m", "autostr_nni.cli.main", *arguments])

    def start(self) -> subprocess.Popen[bytes]:
        """The search through NNI."""
        return self.autostr("search", str(self.config), "--out", str(self.experiments))

    def resume(self) -> subprocess.Popen[bytes]:
        return self.autostr("resume", self.id)

    def said(self) -> str:
        """What the last command has said so far."""
        return (self.folder / f"said-{self.count}.txt").read_text(errors="replace")

    def ended(self, process: subprocess.Popen[bytes], status: int | None) -> str:
        """Wait for a command's end with this exit status; what it said."""
        process.wait(PATIENCE)
        assert status is None or process.returncode == status, self.said()
        return self.said()

    # --- moments -------------------------------------------------------------------------------------------

    def hold(self, *moments: str) -> None:
        """Let the first trial that comes to each moment wait there."""
        for moment in moments:
            (self.holds / moment).touch()

    def held(self, moment: str) -> int:
        """Wait until a trial is held at the moment; the process that trains."""

        def found() -> Path | None:
            return next(self.holds.glob(f"{moment}.held.*"), None)

        pid = int(wait(found).suffix[1:])
        self.look()
        return pid

    def release(self, moment: str) -> None:
        for file in [self.holds / moment, *self.holds.glob(f"{moment}.held.*")]:
            file.unlink(missing_ok=True)

    def steps(self) -> list[tuple[str, str, int, int]]:
        """Every batch that was trained: trial, step, epoch, place in the epoch."""
        lines = (self.holds / "steps.txt").read_text().splitlines()
        found = [re.fullmatch(r"(\S+) (\w+)-(\d+)-(\d+)", line) for line in lines]
        return [(m[1], m[2], int(m[3]), int(m[4])) for m in found if m]

    # --- processes -----------------------------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """All that is alive of this search, told by their environment."""
        return at_home(self.folder)

    def look(self) -> None:
        """Note the experiment's id and folder, and the ports that its processes listen on."""
        for process in self.processes():
            with suppress(psutil.Error):
                connections = process.net_connections("tcp")
                self.ports |= {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
        for said in sorted(self.folder.glob("said-*.txt")):
            if match := re.search(r"experiment: (\w+)", said.read_text(errors="replace")):
                self.id = match[1]

    def manager(self) -> psutil.Process:
        return with_word(self.processes(), "--experiment-id")

    def tuner(self) -> psutil.Process:
        return with_word(self.processes(), "--exp_params")

    def nothing_left(self) -> None:
        """No process of the search is alive, and none of its ports is open."""
        deadline = time.monotonic() + 15  # what is killed takes a moment to be gone, and its ports another
        while (self.processes() or self.open_ports()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.processes() == []
        assert self.ports
        assert self.open_ports() == []

    def open_ports(self) -> list[int]:
        """Ports of the search still listened on, but by another process that has come to have one since."""
        owners = {None, *(process.pid for process in self.processes())}  # a process that is just ending: none
        listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        return [one.laddr.port for one in listening if one.laddr.port in self.ports and one.pid in owners]

    def end(self) -> None:
        """After a failed test: end what it left, by id."""
        for process in self.processes():
            process.kill()

    # --- what it left --------------------------------------------------------------------------------------

    @property
    def place(self) -> Path:
        return self.experiments / self.id

    def trial_folders(self) -> list[Path]:
        return sorted(self.place.glob("environments/*/trials/*/"))

    def finished(self) -> dict[str, float]:
        """When each trial with a result has written it."""
        return {
            file.parent.name: file.stat().st_mtime
            for file in self.place.glob("environments/*/trials/*/result.json")
        }

    def results(self) -> dict[str, Any]:
        return dict(json.loads((self.place / "summary.json").read_text()))

    def reports(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What NNI's database has of reports: trial, kind, figures."""
        with closing(sqlite3.connect(self.place / "db/nni.sqlite")) as base:
            rows = base.execute("SELECT trialJobId, type, data FROM MetricData").fetchall()
        return [(trial, kind, unpacked(data)) for trial, kind, data in rows]

    def check_reports(self) -> None:
        """Every trial with a result has reported every epoch once, in order, and its end once."""
        reports = self.reports()
        for folder in self.trial_folders():
            mine = [(kind, figures) for trial, kind, figures in reports if trial == folder.name]
            epochs = [figures["epoch"] for kind, figures in mine if kind == "PERIODICAL"]
            assert epochs == sorted(set(epochs)), (folder.name, epochs)
            if (folder / "result.json").exists():
                step = json.loads((folder / "parameters.json").read_text())["parameters"]["step"]
                assert epochs == list(range(EPOCHS[step])), (folder.name, epochs)
                assert sum(kind == "FINAL" for kind, _ in mine) == 1, folder.name
        parameters = [
            json.dumps(json.loads((self.trial_file(t, "parameters.json")).read_text()))
            for t in self.finished()
        ]
        assert len(parameters) == len(set(parameters)) == len(PATHS) + 2

    def trial_file(self, trial: str, name: str) -> Path:
        return next(self.place.glob(f"environments/*/trials/{trial}/{name}"))


def unpacked(data: Any) -> Any:
    """NNI packs JSON within JSON."""
    while isinstance(data, str):
        data = json.loads(data)
    return data


def findings(summary: dict[str, Any]) -> dict[str, Any]:
    """What a search found, without what tells of time, place and trials' names."""
    dropped = {"seconds", "trial", "folder"}

    def rows(name: str) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k not in dropped} for row in summary[name]]

    best = {key: value for key, value in summary["best"].items() if key not in dropped}
    for scores in (best.get("test") or {}).values():
        scores.pop("seconds", None)
    return {"paths": rows("paths"), "found": summary["found"], "nets": rows("architectures"), "best": best}
