"""The warm process: imports what every trial needs, once, and forks a child for each trial that asks.

Saves a fifth of the quickstart, 38 of 181 s. ``AUTOSTR_COLD=1`` switches it off.

It is NNI's manager's child (`nni/manager/mended/warm.cjs` starts it) and ends when the pipe from there
closes, however the manager ended; its trials end with it. It runs no thread and computes nothing, so that
its forks are sound: a child has only the memory of what was imported, shared until it is written to.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from autostr_nni.system.leaving import leave
from autostr_nni.system.threads import wait_asleep
from autostr_nni.warm.child import become, kill_all
from autostr_nni.warm.talk import SOCKET, Request, address, receive_request

#: What a trial imports: its training, and what `nni` stands on. Not `nni` itself, which reads at import
#: which trial it is in.
IMPORTED = ("autostr_nni.training.run_trial", "pandas", "scipy.stats", "json_tricks", "requests", "psutil")
IDLE = 600.0  # seconds without a trial after which the memory is given back
REQUEST_TIMEOUT = 10.0  # seconds for a command to send its request


def import_all() -> dict[str, str]:
    """Import what trials need; the environment's variables that this has set.

    Raises RuntimeError where the process is then not fit for forking.
    """
    before = dict(os.environ)
    wait_asleep()  # for all forks: OpenMP reads it when torch is imported
    for name in IMPORTED:
        importlib.import_module(name)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise RuntimeError("CUDA is in use: a fork could not use it")
    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        raise RuntimeError(f"importing has started {len(threads) - 1} threads: a fork would lack them")
    gc.collect()
    gc.freeze()  # the collector would write to every object, and so copy all memory into each trial
    return {key: value for key, value in os.environ.items() if before.get(key) != value}


@dataclass
class Trial:
    """A child that runs a trial, and the connection to the command that asked for it."""

    pid: int
    connection: socket.socket


class Server:
    """Serves commands on `folder`'s socket until `lifeline`, a file descriptor, is closed at its far end."""

    def __init__(self, folder: Path, lifeline: int) -> None:
        self.folder, self.lifeline = folder, lifeline
        self.trials: dict[int, Trial] = {}
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.wake, self.woken = socket.socketpair()
        self.last_use = time.monotonic()
        self.environment = dict(os.environ)  # as it was before the imports, which had set `made`
        self.made: dict[str, str] = {}

    def listen(self) -> None:
        """Take connections; they wait until `serve`."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with address(self.folder) as name:
            Path(name).unlink(missing_ok=True)  # of a manager that was killed
            self.listener.bind(name)
        self.listener.listen(64)

    def serve(self) -> None:
        self.last_use = time.monotonic()  # the imports may have taken a while
        for end in (self.wake, self.woken):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        for source, action in (
            (self.lifeline, None),
            (self.listener, self._accept),
            (self.woken, self._reap),
        ):
            self.selector.register(source, selectors.EVENT_READ, action)
        while self.trials or time.monotonic() - self.last_use < IDLE:
            for key, _ in self.selector.select(timeout=IDLE):
                if key.data is None:
                    if not os.read(self.lifeline, 4096):
                        return
                else:
                    key.data(key.fileobj)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / SOCKET).unlink()
        for trial in self.trials.values():
            kill_all(trial.pid)

    # --- events --------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[1] != os.getuid():
            connection.close()
            return
        self.last_use = time.monotonic()
        connection.settimeout(REQUEST_TIMEOUT)
        self.selector.register(connection, selectors.EVENT_READ, self._begin)
        self._tell(connection, "ready")

    def _begin(self, connection: socket.socket) -> None:
        self.selector.unregister(connection)
        try:
            request, streams = receive_request(connection)
        except (OSError, ValueError, TypeError):
            connection.close()
            return
        self.last_use = time.monotonic()
        difference = request.differs(self.environment)
        if difference is not None:
            log(f"a trial in {request.folder} starts cold: {difference} differ")
            self._tell(connection, "cold")
            connection.close()
        else:
            self._fork(request, streams, connection)
        for stream in streams:
            os.close(stream)

    def _fork(self, request: Request, streams: list[int], connection: socket.socket) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes: only this trial has to do without
            log(f"a trial in {request.folder} starts cold: {error.strerror}")
            self._tell(connection, "cold")
            connection.close()
            return
        if not pid:
            try:
                self._let_go(connection)
                become(request, streams, self.made, server)
            except BaseException:  # whatever happens, the child must not go on as a second server
                traceback.print_exc()
            finally:
                os._exit(1)
        self.trials[pid] = Trial(pid, connection)
        self.selector.register(connection, selectors.EVENT_READ, self._listen_to)
        self._tell(connection, f"started {pid}")

    def _let_go(self, connection: socket.socket) -> None:
        """In the child: close all that is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for trial in self.trials.values():
            trial.connection.close()
        for end in (self.listener, self.wake, self.woken, connection):
            end.close()

    def _listen_to(self, connection: socket.socket) -> None:
        """A signal for the trial; or its command is gone, and the trial goes too."""
        pid = next((pid for pid, trial in self.trials.items() if trial.connection is connection), None)
        if pid is None:  # it has ended, and was told so, since this was seen to be ready
            return
        try:
            received = connection.recv(4096)
        except OSError:
            received = b""
        for line in received.decode("ascii", "replace").splitlines():
            word, _, number = line.partition(" ")
            if word == "signal" and number.isdecimal():
                os.kill(pid, int(number))
        if not received:
            self.selector.unregister(connection)
            kill_all(pid)

    def _reap(self, woken: socket.socket) -> None:
        """Tell the commands of the trials that have ended how they did."""
        with contextlib.suppress(BlockingIOError):
            woken.recv(4096)
        for pid, trial in list(self.trials.items()):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            kill_all(pid)  # what it has left running, while its number is still its own
            os.waitpid(pid, 0)
            del self.trials[pid]
            self.last_use = time.monotonic()
            word = "exit" if ended.si_code == os.CLD_EXITED else "killed"
            self._tell(trial.connection, f"{word} {ended.si_status}")
            with contextlib.suppress(KeyError):
                self.selector.unregister(trial.connection)
            trial.connection.close()

    def _tell(self, connection: socket.socket, line: str) -> None:
        with contextlib.suppress(OSError):  # its end is told by the next reading
            connection.sendall(f"{line}\n".encode())


def log(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def main() -> int:
    """`python -m autostr_nni.warm.server FOLDER`, with a pipe as standard input."""
    server = Server(Path(sys.argv[1]), sys.stdin.fileno())
    server.listen()
    start = time.monotonic()
    try:
        server.made = import_all()
        log(f"imported in {time.monotonic() - start:.1f} s; ready")
        server.serve()
    except Exception as error:
        log(f"no warm starts: {type(error).__name__}: {error}")
        return 1
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    leave(main())
