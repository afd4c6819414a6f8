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
        starting = _starting(port)
        try:
            answers = manager.get("check-status") is not None
            # Two that were told the same port ask the one that has it.
            if answers and starting is not None and _listens(starting, port):
                return
            reason = "another program has its port" if answers else "it gives no answer"
        except (requests.RequestException, ValueError) as error:
            reason = type(error).__name__
        if starting is None:
            taken = f", port {port} is in use" if reason.startswith("another") else ""
            raise RuntimeError(f"it ended at once{taken}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"it does not answer in {START_PATIENCE:.0f} s: {reason}")
        time.sleep(0.2)


def _starting(port: int) -> psutil.Process | None:
    """The manager for the port that is alive below this process."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if str(port) in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                return child
    return None


def _listens(process: psutil.Process, port: int) -> bool:
    """Whether it is this process that has the port."""
    try:
        return any(
            found.status == psutil.CONN_LISTEN and found.laddr.port == port
            for found in process.net_connections("tcp")
        )
    except psutil.AccessDenied:  # where one may not look
        return True
    except psutil.Error:
        return False
