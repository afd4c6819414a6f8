"""NNI manager's REST interface on this machine, never through a proxy."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import requests

from autostr_nni.system.json_text import read_json, unpacked

LOOPBACK = "127.0.0.1"
EARLY = "EARLY_STOPPED"  # NNI's word for a trial that an assessor has stopped, or maxTrialDuration
FINAL_STATUSES = frozenset({"SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", EARLY})


def exempt_loopback(environment: MutableMapping[str, str]) -> None:
    """Keep proxies away from loopback: NNI's own parts speak to ``localhost`` through any proxy."""
    for key in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in environment.get(key, "").split(",") if host]
        hosts += [host for host in ("localhost", LOOPBACK, "::1") if host not in hosts]
        environment[key] = ",".join(hosts)


def _age(path: Path) -> float:
    return -path.stat().st_mtime


def record_in(row: Mapping[str, Any]) -> Any:
    """The record of a trial in its row of the manager's list: ``parameters``, ``parameter_id`` and more.

    None before the manager has written it down.
    """
    packed = row.get("hyperParameters")
    return unpacked(packed[0]) if packed else None


class Manager:
    """A manager by its address, as ``http://127.0.0.1:8080``; raises ``requests.RequestException``."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc

    @classmethod
    def of_tuner(cls) -> Manager | None:
        """The manager of this process's tuner; None outside NNI's dispatcher."""
        channel = os.environ.get("NNI_TUNER_COMMAND_CHANNEL", "")
        return cls._of_channel(channel, "/tuner") if channel else None

    @classmethod
    def of_trial(cls) -> Manager | None:
        """The manager of this process's trial, also from another machine; None where it is not known."""
        if os.environ.get("NNI_PLATFORM") == "remote":
            return cls._of_machine()
        channel = os.environ.get("NNI_TRIAL_COMMAND_CHANNEL", "")
        return cls._of_channel(channel, "/env/") if channel.startswith("http") else None

    @classmethod
    def _of_machine(cls) -> Manager | None:
        """The manager whose address the process that keeps this machine's trials was started with.

        A trial's own channel leads to that process. It keeps its settings beside the trials' folder.
        """
        place = Path(os.environ.get("NNI_OUTPUT_DIR", "")).parents
        if len(place) < 2:
            return None
        for settings in sorted(place[1].glob("trial_keeper*/launcher_config.json"), key=_age):
            channel = read_json(settings).get("managerCommandChannel")
            if isinstance(channel, str):
                return cls._of_channel(channel, "/platform/")
        return None

    @classmethod
    def _of_channel(cls, channel: str, end: str) -> Manager:
        address = channel.rpartition(end)[0].replace("ws://", "http://", 1)
        return cls(address.replace("//localhost", f"//{LOOPBACK}", 1))

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def put(self, path: str, content: Any) -> None:
        self.request("PUT", path, content)

    def close(self) -> None:
        """Give up kept connections: a manager that ends waits seconds for them."""
        self._session.close()

    def request(self, method: str, path: str, content: Any = None, timeout: float = 20) -> Any:
        """The answer's JSON, or None where the answer is empty."""
        url = f"{self.address}/api/v1/nni/{path}"
        with self._session.request(method, url, json=content, timeout=timeout) as reply:
            reply.raise_for_status()
            if not reply.content or "json" not in reply.headers.get("Content-Type", ""):
                return None
            return reply.json()
