"""Time for NNI's manager to start: NNI gives it three seconds, which a busy machine does not keep."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import psutil
import requests

from autostr_nni.nni.manager.rest import LOOPBACK, Manager

START_PATIENCE = 90.0  # seconds


@contextlib.contextmanager
def patient_start() -> Iterator[None]:
    """Within, NNI's start of an experiment waits for its manager as long as that is alive."""
    from nni.experiment import launcher

    before = launcher._check_rest_server
    launcher._check_rest_server = _wait_for_manager
    try:
        yield
    finally:
        launcher._check_rest_server = before


def _wait_for_manager(port: int, retry: int = 3, url_prefix: str | None = None) -> None:
    deadline = time.monotonic() + START_PATIENCE
    manager = Manager(f"http://{LOOPBACK}:{port}" + (f"/{url_prefix}" if url_prefix else ""))
    while True:
        try:
            if manager.get("check-status") is not None:
                return
            reason = "it gives no answer"
        except (requests.RequestException, ValueError) as error:
            reason = type(error).__name__
        if not _starting(port):
            raise RuntimeError("it ended at once")
        if time.monotonic() > deadline:
            raise RuntimeError(f"it does not answer in {START_PATIENCE:.0f} s: {reason}")
        time.sleep(0.2)


def _starting(port: int) -> bool:
    """Whether a manager for the port is alive below this process."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if str(port) in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
