"""Starting NNI's manager for an experiment file."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.experiment.gpus import operator_gpus, shared_elsewhere
from autostr_nni.nni.manager import listing, processes
from autostr_nni.nni.manager.patience import patient_start
from autostr_nni.nni.manager.places import list_folder, ready_settings
from autostr_nni.nni.manager.rest import LOOPBACK, exempt_loopback
from autostr_nni.nni.manager.running import RunningExperiment, SearchError
from autostr_nni.runs.layout import LOGS
from autostr_nni.system.errors import InputError
from autostr_nni.system.threads import default_threads, wait_asleep
from autostr_nni.warm.talk import COLD_VARIABLE

_PORTS = 20  # tries to find two that follow one another
PRELOAD = Path(__file__).parent / "mended" / "preload.cjs"


def choose_port(port: int | None, host: str = LOOPBACK, remote: bool = False) -> int:
    """``port``, or a free one. Raises InputError if it is taken: NNI itself reports that as "(message)".

    For ``remote`` machines NNI takes the port above it too.
    """
    if not remote:
        return _free_port(port, host)
    if port is not None:
        _free_port(port + 1, host)
        return _free_port(port, host)
    for _ in range(_PORTS):
        found = _free_port(None, host)
        with contextlib.suppress(InputError):
            _free_port(found + 1, host)
            return found
    raise InputError(f"no two ports that follow one another are free on {host}; name the first with --port")


def _free_port(port: int | None, host: str) -> int:
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
    environment["NNI_CONFIG_DIR"] = str(ready_settings().absolute())
    environment["PYTHONUTF8"] = "1"  # NNI opens a trial's log in the locale's encoding
    # `python` of a trialCommand is the one that runs the search, whether or not its environment is active.
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    if modules := environment.get("PYTHONPATH"):  # NNI starts tuner and trials in folders of their own
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, modules.split(os.pathsep)))
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
            with patient_start(), listing.kept_in(list_folder(experiment.directory)):
                handle.start(port, run_mode=RunMode.Detach)
        except (Exception, KeyboardInterrupt) as error:
            # An interruption may come before NNI hands its process over.
            _kill(handle._proc or processes.manager_of(experiment.directory / handle.id))
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
