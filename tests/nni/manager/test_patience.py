"""Whose answer it is that a search waits for when it starts its manager."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from autostr_nni.nni.manager.launcher import choose_port
from autostr_nni.nni.manager.patience import _wait_for_manager

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"status": "INITIALIZED"}')
    def log_message(self, *args):
        pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


class Answer(BaseHTTPRequestHandler):
    """What a manager says before it has an experiment."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"status": "INITIALIZED"}')

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def another() -> Iterator[int]:
    """The port of another search's manager."""
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_another_searchs_manager_is_not_taken_for_ones_own(another: int) -> None:
    """Two searches are told the same port: the later one's manager cannot have it, and ends."""
    code = "import sys, time; time.sleep(1)"
    own = subprocess.Popen([sys.executable, "-c", code, str(another)])
    with pytest.raises(RuntimeError, match=f"^it ended at once, port {another} is in use$"):
        _wait_for_manager(another)
    assert own.wait() == 0


def test_ones_own_is_waited_for() -> None:
    free = choose_port(None)
    own = subprocess.Popen([sys.executable, "-c", SERVER, str(free)])
    try:
        _wait_for_manager(free)
        assert own.poll() is None
    finally:
        own.kill()
        own.wait()
