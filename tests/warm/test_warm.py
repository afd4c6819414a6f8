"""A trial forked from the warm process is the trial that its command would have been, and ends with it."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from autostr_nni.warm.server import Server
from autostr_nni.warm.talk import Request

SERVER = """
import sys
from autostr_nni.warm import child, server
child.MODULE, server.IMPORTED, server.IDLE = "fake_trial", {imported!r}, {idle}
server.leave(server.main())
"""
COMMAND = """
import sys
from autostr_nni.warm.command import run_warm
status = run_warm()
print("cold" if status is None else "warm", file=sys.stderr)
sys.exit(99 if status is None else status)
"""
TRIAL = """
import json, os, signal, subprocess, sys, time
word = sys.argv[1]
if word == "tell":
    print(json.dumps([__name__, sys.argv[1:], os.getcwd(), os.environ["NNI_MINE"], sys.stdin.read()]))
    print("aside", file=sys.stderr)
    sys.exit(int(sys.argv[2]))
if word == "compute":
    import torch
    x = torch.full((3, 4), 1.0, device=sys.argv[2], requires_grad=True)
    total = (x * x).sum()
    total.backward()
    open(sys.argv[3], "w").close()
    while not os.path.exists(sys.argv[4]):  # the other is at work too
        time.sleep(0.01)
    print(float(total.detach()), (x * x.grad).device.type)
    sys.exit(0)
if word == "sentence":
    sys.exit("a sentence")
if word == "broken":
    raise ValueError("broken on purpose")
if word == "die":
    os.kill(os.getpid(), int(sys.argv[2]))
worker = subprocess.Popen(["sleep", "300"])
with open(sys.argv[2] + ".new", "w") as file:
    json.dump([os.getpid(), worker.pid], file)
os.rename(sys.argv[2] + ".new", sys.argv[2])
if word == "interrupted":
    try:
        time.sleep(300)
    except KeyboardInterrupt:
        worker.kill()
        sys.exit(130)
time.sleep(300)
"""


class Warm:
    """A warm process, with this process in the manager's place, and commands that ask it."""

    def __init__(self, place: Path, imported: tuple[str, ...] = (), idle: float = 600) -> None:
        self.place, self.folder = place, place / "warm"
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("AUTOSTR_")}
        (place / "server.py").write_text(SERVER.format(imported=imported, idle=idle))
        (place / "command.py").write_text(COMMAND)
        (place / "fake_trial.py").write_text(TRIAL)
        self.process = subprocess.Popen(
            [sys.executable, str(place / "server.py"), str(self.folder)],
            stdin=subprocess.PIPE,
            env=self.environment,
        )
        wait_for(lambda: (self.folder / "socket").exists() or self.process.poll() is not None)

    def start(
        self, *arguments: str, options: tuple[str, ...] = (), **variables: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *options, str(self.place / "command.py"), *arguments],
            env={**self.environment, "AUTOSTR_WARM": str(self.folder), "NNI_MINE": "7", **variables},
            cwd=self.place.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **options: Any) -> tuple[int, str, str]:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def family(self, word: str, file: str = "family") -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        """A command whose trial runs, and the trial's processes."""
        path = self.place / file
        command = self.start(word, str(path))
        wait_for(path.exists)
        return command, [psutil.Process(pid) for pid in json.loads(path.read_text())]

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout=30)


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[Warm]:
    made = Warm(tmp_path)
    yield made
    made.end()


def test_the_trial_is_its_commands(warm: Warm) -> None:
    status, out, err = warm.run("tell", "5")
    assert status == 5
    assert json.loads(out) == ["__main__", ["tell", "5"], str(warm.place.parent), "7", ""]
    assert err == "aside\nwarm\n"
    assert stat.S_IMODE(warm.folder.stat().st_mode) == 0o700


def test_how_a_trial_ends(warm: Warm) -> None:
    assert warm.run("tell", "0")[0] == 0
    assert warm.run("sentence") == (1, "", "a sentence\nwarm\n")
    status, _, err = warm.run("broken")
    assert status == 1 and "ValueError: broken on purpose" in err
    assert warm.run("die", str(int(signal.SIGKILL)))[0] == -signal.SIGKILL
    assert warm.run("die", str(int(signal.SIGTERM)))[0] == -signal.SIGTERM


def test_a_signal_reaches_the_trial(warm: Warm) -> None:
    command, family = warm.family("interrupted")
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=30) == 130
    wait_for(lambda: gone(family))


def test_killing_the_command_kills_its_trial_alone(warm: Warm) -> None:
    """NNI kills a trial's own process; data workers must not stay, and other trials must."""
    command, family = warm.family("wait")
    other, others = warm.family("wait", "others")
    command.kill()
    wait_for(lambda: gone(family))
    assert all(process.is_running() for process in others)
    assert warm.run("tell", "0")[0] == 0
    other.kill()
    wait_for(lambda: gone(others))
    for process in (command, other):
        process.communicate()


def test_the_server_dies(warm: Warm) -> None:
    """Trials in flight fail and leave nothing; the next ones start by themselves."""
    command, family = warm.family("wait")
    warm.process.kill()
    _, err = command.communicate(timeout=30)
    assert command.returncode == 1 and "the trial too" in err
    wait_for(lambda: gone(family))
    assert warm.run("tell", "0") == (99, "", "cold\n")


def test_the_manager_ends(warm: Warm) -> None:
    command, family = warm.family("wait")
    assert warm.end() == 0
    wait_for(lambda: gone(family))
    command.communicate(timeout=30)
    assert list(warm.folder.iterdir()) == []


def test_another_program_starts_cold(warm: Warm) -> None:
    cold = (99, "", "cold\n")
    assert warm.run("tell", "0", OMP_NUM_THREADS="63") == cold
    assert warm.run("tell", "0", PYTHONPATH=str(warm.place)) == cold
    assert warm.run("tell", "0", options=("-O",)) == cold
    assert warm.run("tell", "0", AUTOSTR_COLD="1") == cold
    assert warm.run("tell", "0", AUTOSTR_WARM=str(warm.place / "nowhere")) == cold
    assert warm.run("tell", "0", CUDA_VISIBLE_DEVICES="3")[0] == 0  # NNI gives each trial its own


def test_a_trial_that_cannot_be_forked_starts_cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is told of one that has just ended disturbs nobody."""
    made = Server(tmp_path, -1)
    ours, theirs = socket.socketpair()
    with ours, theirs, made.listener, made.wake, made.woken, made.selector:
        made._listen_to(ours)

        def full() -> int:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

        monkeypatch.setattr(os, "fork", full)
        made._fork(Request.of_this_process(), [], ours)
        assert theirs.recv(100) == b"cold\n" and theirs.recv(100) == b"" and not made.trials


def test_what_a_shell_changes_is_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NNI runs a trial's command in a script, whose shell drops an exported prompt and more."""
    for name in ("PS1", "PS2", "PS4", "IFS", "OPTIND", "PPID", "BASH_VERSION"):
        monkeypatch.setenv(name, "x")
    warm = Warm(tmp_path)
    script = tmp_path / "run.sh"
    command = shlex.join([sys.executable, str(tmp_path / "command.py"), "tell", "0"])
    script.write_text(f"export NNI_MINE=7\n{command}\n")
    environment = {**warm.environment, "AUTOSTR_WARM": str(warm.folder), "SHELLOPTS": "monitor"}
    done = subprocess.run(
        ["bash", str(script)], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    warm.end()
    assert (done.returncode, done.stderr) == (0, "aside\nwarm\n")


def test_imports_that_start_a_thread_are_not_forked(tmp_path: Path) -> None:
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=[300], daemon=True).start()\n"
    (tmp_path / "threaded.py").write_text(code)
    warm = Warm(tmp_path, imported=("threaded",))
    assert warm.run("tell", "0") == (99, "", "cold\n")
    assert warm.process.wait(timeout=30) == 1


def test_memory_is_given_back_after_a_while(tmp_path: Path) -> None:
    warm = Warm(tmp_path, idle=0.1)
    assert warm.process.wait(timeout=30) == 0
    assert list(warm.folder.iterdir()) == []


def test_nni_is_left_to_the_fork() -> None:
    """It reads at import which trial it is in: imported before, all trials would be none."""
    code = """
import importlib, sys
from autostr_nni.warm import server
for name in server.IMPORTED:
    importlib.import_module(name)
print("torch" in sys.modules, "nni" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cpu", marks=pytest.mark.slow("imports torch")),
        pytest.param("cuda", marks=pytest.mark.gpu),
    ],
    indirect=True,
)
def test_two_trials_at_a_time_use_the_device(tmp_path: Path, device: str) -> None:
    """A fork of a process that had used CUDA could not."""
    warm = Warm(tmp_path, imported=("autostr_nni.training.device_setup",))
    commands = [
        warm.start("compute", device, str(tmp_path / name), str(tmp_path / other))
        for name, other in ("ab", "ba")
    ]
    for command in commands:
        out, err = command.communicate(timeout=120)
        assert (command.returncode, out.split(), err) == (0, ["12.0", device], "warm\n")
    assert warm.end() == 0
