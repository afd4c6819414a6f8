"""A real browser without a window, driven through Chromium's DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--no-proxy-server",
]


def found() -> str | None:
    """The browser's program; None where this machine has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page, and every address that it asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._count = socket, 0
        self.requested: list[str] = []
        self.errors: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._count:
                assert "error" not in message, message
                return dict(message["result"])
            if message.get("method") == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
            elif message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(message["params"]["exceptionDetails"])[:500])

    def value(self, script: str) -> Any:
        """What an expression gives, promises awaited."""
        got = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> Any:
        """Wait until an expression gives something."""
        deadline = time.monotonic() + seconds
        while not (value := self.value(script)):
            assert time.monotonic() < deadline, f"never: {script}"
            time.sleep(0.2)
        return value

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def picture(self, file: Path) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(folder: Path, width: int, height: int = 1000) -> Iterator[Tab]:
    """A tab of `width` x `height` pixels; the browser's own files lie in `folder`."""
    program = found()
    assert program is not None
    command = [
        program,
        *OPTIONS,
        f"--user-data-dir={folder}",
        f"--window-size={width},{height}",
        "about:blank",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = next(line.split()[-1] for line in process.stderr if line.startswith("DevTools listening"))
        with connect(address, proxy=None, max_size=None) as socket:
            root = Tab(socket)
            target = root.call("Target.getTargets")["targetInfos"]
            page = next(item["targetId"] for item in target if item["type"] == "page")
        with connect(
            address.split("/devtools/")[0] + f"/devtools/page/{page}", proxy=None, max_size=None
        ) as socket:
            tab = Tab(socket)
            for domain in ("Page", "Network", "Runtime"):
                tab.call(f"{domain}.enable")
            tab.call(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=False,
            )
            yield tab
    finally:
        process.terminate()
        process.wait(timeout=30)
