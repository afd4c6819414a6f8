"""The queues of loader processes: pipes into which each process writes itself, with no thread beside it."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import math
import multiprocessing
import pickle
import queue
import select
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any

_ROOM = 1 << 20  # bytes of a pipe: for errors, the longest messages, of all batches that are in work


class PipeQueue:
    """What a ``DataLoader`` asks of a queue. Many may put, one gets.

    ``multiprocessing.Queue`` hands each message to a thread, which takes turns with the process's own work
    and costs more than a small message is worth. Here ``put`` writes, and waits while the pipe is full: what
    is asked of loader processes is to be small beside that, or they could wait for each other.
    """

    def __init__(self, context: BaseContext) -> None:
        self._reader, self._writer = context.Pipe(duplex=False)
        # Not Linux, or its limit is reached: 64 KiB will do.
        with contextlib.suppress(AttributeError, OSError):
            fcntl.fcntl(self._writer.fileno(), fcntl.F_SETPIPE_SZ, _ROOM)
        # One that may be taken twice: an interrupt within ``put`` can leave it taken, and the same process
        # puts a last message when it shuts its loader processes down.
        self._writing = context.RLock()
        self._waiting: Any = None  # made by who gets, when it first does

    def put(self, item: Any) -> None:
        """Send what the plain ``pickle`` takes."""
        message = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)  # Connection.send prepares for far more
        with self._writing:
            self._writer.send_bytes(message)

    def get(self, timeout: float | None = None) -> Any:
        """The next message. ``queue.Empty`` if none comes within ``timeout`` seconds."""
        if timeout is not None and not self._readable(timeout):
            raise queue.Empty
        return self._reader.recv()

    def empty(self) -> bool:
        """Whether nothing is waiting."""
        return not self._readable(0)

    def close(self) -> None:
        """Let go of both ends."""
        self._reader.close()
        self._writer.close()

    def cancel_join_thread(self) -> None:
        """There is no thread."""

    def _readable(self, seconds: float) -> bool:
        if not hasattr(select, "poll"):
            return self._reader.poll(seconds)
        if self._waiting is None:  # what Connection.poll does, without making it anew every time
            self._waiting = select.poll()
            self._waiting.register(self._reader.fileno(), select.POLLIN)
        return bool(self._waiting.poll(math.ceil(seconds * 1000)))


def pipe_context() -> BaseContext:
    """The usual way to start processes, with pipes for queues."""
    context = copy.copy(multiprocessing.get_context(multiprocessing.get_start_method()))
    context.Queue = partial(PipeQueue, context)  # type: ignore[method-assign, assignment]
    return context
