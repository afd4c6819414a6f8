"""Starting NNI's manager for an experiment file, following it to its end, and stopping all of it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import requests

from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.experiment.gpus import operator_gpus, shared_elsewhere
from autostr_nni.nni.experiment.stored import resume_command
from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.patience import patient_start
from autostr_nni.nni.manager.places import list_folder, list_kept_in, settings_folder
from autostr_nni.nni.manager.rest import FINAL_STATUSES, LOOPBACK, Manager, exempt_loopback
from autostr_nni.runs.layout import LOGS
from autostr_nni.system.errors import InputError
from autostr_nni.system.threads import default_threads, wait_asleep
from autostr_nni.warm.talk import COLD_VARIABLE

PRELOAD = Path(__file__).parent / "mended" / "preload.cjs"
ENDED = ("DONE", "ERROR", "STOPPED")  # NNI's words for an experiment that does no more
IDLE_LOOKS = 4  # without a trial, after which a tuner that has said to have none has none
STOP_PATIENCE = 20.0  # seconds for the manager to end its trials (NNI kills them after 5) and itself


class SearchError(Exception):
    """The experiment could not be started or did not end well; the text is one sentence."""


def choose_port(port: int | None, host: str = LOOPBACK) -> int:
    """``port``, or a free one. Raises InputError if it is taken: NNI itself reports that as "(message)"."""
    if port is not None and not 0 < port < 65536:
        raise InputError(f"--port must be from 1 to 65535, not {port}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK if ":" in host else host, port or 0))
        except socket.gaierror:
            raise InputError(
                f"--host {host} is not an address of this machine; use one, or 0.0.0.0 for all"
            ) from None
        except OSError as error:
            if port is None or error.errno == 99:  # EADDRNOTAVAIL
                raise InputError(
                    f"--host {host} is not an address of this machine; use 0.0.0.0 for all"
                ) from None
            raise InputError(
                f"port {port} is in use; choose another with --port, or leave --port out to take a free one"
            ) from None
        return int(probe.getsockname()[1])


def manager_environment(host: str, concurrency: int, owned: bool, warm: bool = False) -> dict[str, str]:
    """This process's environment with what the manager, the tuner and the trials need on top.

    ``warm``: a process beside the manager imports what our trials need, and they are forked from it.
    """
    environment = dict(os.environ)
    options = environment.get("NODE_OPTIONS", "")
    environment["AUTOSTR_NODE_OPTIONS"] = options
    quoted = str(PRELOAD).replace("\\", "\\\\").replace('"', '\\"')
    environment["NODE_OPTIONS"] = f'--require "{quoted}" {options}'.strip()
    environment["AUTOSTR_HOST"] = host
    environment["AUTOSTR_OWNER"] = str(os.getpid()) if owned else ""
    environment["NNI_CONFIG_DIR"] = str(settings_folder().absolute())
    environment["PYTHONUTF8"] = "1"  # NNI opens a trial's log in the locale's encoding
    # `python` of a trialCommand is the one that runs the search, whether or not its environment is active.
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    if warm and sys.platform == "linux" and not environment.get(COLD_VARIABLE):
        environment["AUTOSTR_WARM_PYTHON"] = sys.executable
    environment["OMP_NUM_THREADS"] = str(default_threads(concurrency))
    wait_asleep(environment)
    exempt_loopback(environment)
    return environment


@contextlib.contextmanager
def as_environment(environment: dict[str, str]) -> Iterator[None]:
    """Within, this process has another environment, which those that it starts inherit."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class RunningExperiment:
    """An NNI experiment on this machine and the processes that belong to it."""

    def __init__(self, id: str, port: int, directory: Path, process: psutil.Process) -> None:
        self.id = id
        self.port = port
        self.folder = directory / id
        self.address = f"http://{LOOPBACK}:{port}"
        self.manager = Manager(self.address)
        self._process = process

    @property
    def alive(self) -> bool:
        try:
            return bool(self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def status(self) -> tuple[str, list[str]]:
        """NNI's word for the experiment's state, and the errors it has noted."""
        reply = self.manager.get("check-status")
        return (
            (reply["status"], list(reply.get("errors", [])))
            if isinstance(reply, dict)
            else ("INITIALIZED", [])
        )

    def rows(self) -> list[dict[str, Any]]:
        """NNI's list of trials."""
        return list(self.manager.get("trial-jobs") or [])

    def stop(self) -> None:
        """End the manager and every process below it, trials and their children included."""
        family = self._family()
        if self.alive:
            with contextlib.suppress(requests.RequestException):
                self.manager.request("DELETE", "experiment", timeout=5)
            self.manager.close()
            deadline = time.monotonic() + STOP_PATIENCE
            while self.alive and time.monotonic() < deadline:
                family |= self._family()
                time.sleep(0.1)
        family |= self._family()
        # NNI kills a trial's first process only, and a manager that hangs, or was killed, kills nothing.
        processes.end(family | processes.members_of(self.folder))

    def _family(self) -> set[psutil.Process]:
        try:
            return {self._process, *self._process.children(recursive=True)}
        except psutil.Error:
            return set()


def start_experiment(
    experiment: ExperimentFile,
    port: int,
    host: str,
    detach: bool,
    resumed: str | None = None,
    view: bool = False,
) -> RunningExperiment:
    """Start NNI's manager, for the experiment with the id ``resumed`` if that goes on, or is only viewed.

    Raises InputError if NNI refuses the file, SearchError if it does not start.
    """
    warm = not view and experiment.here and "autostr_nni.trial" in experiment.config["trialCommand"]
    with as_environment(manager_environment(host, experiment.concurrency, owned=not detach, warm=warm)):
        from nni.experiment import Experiment, RunMode
        from nni.experiment.config import ExperimentConfig
        from nni.runtime.log import silence_stdout

        silence_stdout()
        os.environ["AUTOSTR_VERSIONS"] = versions()
        os.environ["AUTOSTR_OPERATOR_GPUS"] = "" if view else str(operator_gpus(experiment) or "")
        os.environ["AUTOSTR_SHARED_GPUS"] = "1" if shared_elsewhere(experiment) else ""
        strategy = experiment.strategy()
        os.environ["AUTOSTR_PLANNED"] = str(strategy.planned) if strategy else ""
        try:
            config = ExperimentConfig(**experiment.config)
            config.validate()
        except Exception as error:  # NNI raises anything, from AssertionError to TypeError
            raise InputError(f"{experiment.path}: {_reason(error)}") from None
        handle = Experiment(config, id=resumed)
        handle._action = "view" if view else "resume" if resumed else "create"
        log = experiment.directory / handle.id / LOGS
        try:
            # RunMode.Detach: output goes to files, and stopping is ours: NNI would wait without a limit.
            with patient_start(), list_kept_in(list_folder(experiment.directory)):
                handle.start(port, run_mode=RunMode.Detach)
        except (Exception, KeyboardInterrupt) as error:
            _kill(handle._proc)
            if isinstance(error, KeyboardInterrupt):
                raise
            raise SearchError(f"NNI's manager did not start ({error}); its log: {log}") from error
        assert handle._proc is not None
        process = psutil.Process(handle._proc.pid)
        handle._stop_logging()
    return RunningExperiment(handle.id, port, experiment.directory, process)


def _reason(error: Exception) -> str:
    """Why NNI refuses an experiment file: its words, else the condition that was not met."""
    if str(error):
        return " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    return f"NNI refuses this experiment file ({frames[-1].line if frames else type(error).__name__})"


def versions() -> str:
    """What the manager would start Python and import NNI to ask for, before the first trial."""
    import nni

    python = "{}.{}.{}-{}-{}".format(*sys.version_info)
    names = ("nniVersion", "nniPath", "pythonVersion", "pythonPath")
    return json.dumps(
        dict(zip(names, (nni.__version__, nni.__path__[0], python, sys.executable), strict=True))
    )


def _kill(process: Any) -> None:
    if process is not None:
        with contextlib.suppress(psutil.Error):
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for member in family:
                with contextlib.suppress(psutil.Error):
                    member.kill()


def follow(
    running: RunningExperiment,
    look: Callable[[list[dict[str, Any]]], None],
    runs_out: Callable[[], bool] = lambda: False,
    interval: float = 1.0,
) -> tuple[str, list[str], list[dict[str, Any]]]:
    """Wait for the end; ``look`` is called with NNI's rows, every ``interval`` seconds.

    The end itself is noticed in a quarter of a second. ``runs_out`` tells, while no trial runs, whether it
    is the end too that the tuner has no more of them: NNI itself would wait for ever.

    Returns NNI's status (DONE, ERROR or STOPPED), its errors and the rows. Raises SearchError if the manager
    dies.
    """
    silent = idle = 0
    looked = -interval
    while True:
        try:
            status, errors = running.status()
            silent = 0
            if status not in ENDED and time.monotonic() - looked < interval:
                time.sleep(min(interval, 0.25))
                continue
            rows = running.rows()
        except requests.RequestException as error:
            silent += 1
            if not running.alive or silent > 30:
                log = shlex.quote(str(running.folder / LOGS))
                raise SearchError(
                    f"NNI's manager is gone ({type(error).__name__}); its log: {log}; go on with: "
                    f"{resume_command(running.folder)}"
                ) from None
            time.sleep(interval)
            continue
        look(rows)
        looked = time.monotonic()
        none_left = status == "TUNER_NO_MORE_TRIAL" and all(row["status"] in FINAL_STATUSES for row in rows)
        idle = idle + 1 if none_left and runs_out() else 0
        if idle == IDLE_LOOKS:
            return "DONE", errors, rows
        if status in ENDED:
            return status, errors, rows
