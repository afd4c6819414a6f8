"""An NNI experiment that runs: following it to its end, and stopping all of it."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from autostr_nni.nni.experiment.stored import resume_command
from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.rest import FINAL_STATUSES, LOOPBACK, Manager
from autostr_nni.runs.layout import LOGS

ENDED = ("DONE", "ERROR", "STOPPED")  # NNI's words for an experiment that does no more
IDLE_LOOKS = 4  # without a trial, after which a tuner that has said to have none has none
STOP_PATIENCE = 20.0  # seconds for the manager to end its trials (NNI kills them after 5) and itself


class SearchError(Exception):
    """The experiment could not be started or did not end well; the text is one sentence."""


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
