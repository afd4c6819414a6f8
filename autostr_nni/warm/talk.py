"""What a trial's command and the warm process say to each other over a Unix socket. Light.

The server greets with `ready`; the command answers with a `Request` and its three standard streams. Then the
server says `cold` (run it yourself: the two differ in what matters at start-up) or `started PID`, and at the
end `exit STATUS` or `killed SIGNAL`. Meanwhile the command may send `signal NUMBER` for the trial. A line
each. Whoever goes away ends the trial: the server kills it when its command is gone, the kernel when the
server is.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

SOCKET = "socket"  # in the folder that FOLDER_VARIABLE names
FOLDER_VARIABLE = "AUTOSTR_WARM"
COLD_VARIABLE = "AUTOSTR_COLD"
STREAMS = 3
_LENGTH = struct.Struct("!I")
# What NNI and the shell give each trial anew; anything else must be the same for both processes.
_OWN = ("NNI_", "AUTOSTR_", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PWD", "OLDPWD", "SHLVL")
# What a shell that runs a script drops or sets anew. An activated virtual environment may export its prompt.
_OF_SHELLS = frozenset(
    ("_", "PS1", "PS2", "PS4", "PPID", "IFS", "OPTIND", "SHELLOPTS", "BASHOPTS", "BASH_VERSION")
)


@dataclass(frozen=True)
class Request:
    """A trial's command as it was started."""

    argv: list[str]
    folder: str
    environment: dict[str, str]
    path: list[str]  #: sys.path
    python: list[str]  #: the interpreter's place, version and flags

    @classmethod
    def of_this_process(cls) -> Request:
        return cls(list(sys.argv), os.getcwd(), dict(os.environ), list(sys.path), _python())

    def differs(self, environment: Mapping[str, str]) -> str | None:
        """What makes a fork of this process another program than the command would be by itself.

        `environment` is the one that this process was started with; imports add to it.
        """
        if self.python != _python():
            return f"the interpreter {self.python[0]}"
        if self.path[1:] != sys.path[1:]:  # the first is the folder that a process was started in
            return "sys.path"
        mine, others = shared(environment), shared(self.environment)
        changed = sorted(key for key in mine.keys() | others.keys() if mine.get(key) != others.get(key))
        return f"the variables {', '.join(changed)}" if changed else None


def _python() -> list[str]:
    return [sys.prefix, sys.version, str(sys.flags)]


def shared(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that steer what is imported, and how."""
    return {
        key: value for key, value in environment.items() if key not in _OF_SHELLS and not key.startswith(_OWN)
    }


def send_request(connection: socket.socket, request: Request) -> None:
    content = json.dumps(asdict(request)).encode()
    socket.send_fds(connection, [_LENGTH.pack(len(content))], list(range(STREAMS)))
    connection.sendall(content)


def receive_request(connection: socket.socket) -> tuple[Request, list[int]]:
    """The request and its streams, which are the caller's to close. Raises OSError or ValueError."""
    head, streams, _, _ = socket.recv_fds(connection, _LENGTH.size, STREAMS)
    try:
        if len(head) != _LENGTH.size or len(streams) != STREAMS:
            raise ValueError("no request")
        content = bytearray()
        while len(content) < _LENGTH.unpack(head)[0]:
            part = connection.recv(1 << 16)
            if not part:
                raise ValueError("half a request")
            content += part
        return Request(**json.loads(content)), streams
    except BaseException:
        for stream in streams:
            os.close(stream)
        raise


@contextmanager
def address(folder: Path) -> Iterator[str]:
    """Name of the socket in `folder`, short enough for the kernel (107 bytes) whatever the folder's is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)
