"""A trial's command beside a warm process that goes away while it is asked."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from autostr_nni.warm.command import run_warm
from autostr_nni.warm.talk import COLD_VARIABLE, FOLDER_VARIABLE, address


@pytest.mark.parametrize("closes", ["before", "after"])
def test_a_server_that_leaves_meanwhile_starts_the_trial_cold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closes: str
) -> None:
    """It says that it is ready, and has been idle for so long that it is gone before or after the request."""
    listener = socket.socket(socket.AF_UNIX)
    with address(tmp_path) as name:
        listener.bind(name)
    listener.listen(1)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"ready\n")
        if closes == "after":
            connection.recv(1)
        connection.close()

    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.delenv(COLD_VARIABLE, raising=False)
    server = threading.Thread(target=serve)
    server.start()
    assert run_warm() is None
    server.join(30)
    listener.close()
