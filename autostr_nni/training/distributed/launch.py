"""A training over several devices of one machine: a process for each, and this one, which watches them.

The processes are Python's own children, started afresh: they get their work through a pipe and send reports,
printed lines and the result back. So whoever starts a trial, NNI or a notebook, has one process that reports
once and is never stuck in a message to a device. What this saves over DDP was not measured; a team sends a
third of the supernet's gradients, those of drawn operations. ``training.devices: 1`` does without.
"""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from autostr_nni.runs.figures import Figures, Report
from autostr_nni.system.lifeline import answer, receive, send, start
from autostr_nni.training.distributed.group import ALONE, Team

T = TypeVar("T", covariant=True)


class Work(Protocol[T]):
    """What every process of a team does; the leader's return value counts. It must be possible to pickle."""

    def __call__(self, *, team: Team, report: Report) -> T: ...


@dataclass(frozen=True)
class Job:
    """What one process is to do."""

    work: Work[Any]
    rank: int
    size: int
    meeting: Path
    on_gpu: bool


def run_in_team(work: Work[T], size: int, on_gpu: bool, report: Report) -> T:
    """Run ``work`` in ``size`` processes, or right here for a team of one; what the leader returned.

    Args:
        on_gpu: process r has GPU r; else all are on the CPU.
        report: called here with what the leader reports.

    Raises:
        InputError, TrainingFailed: as raised by the first process that failed. The others are ended.
        RuntimeError: a process failed in another way, or was killed.
    """
    if size == 1:
        return work(team=ALONE, report=report)
    with TemporaryDirectory(prefix="autostr-team-") as folder:
        members = []
        try:
            for rank in range(size):
                members.append(Member(Job(work, rank, size, Path(folder) / "meeting", on_gpu)))
            result: T = _follow(members, report)
            return result
        finally:
            for member in members:
                member.end()


class Member:
    """One process of a team, as seen by the one that started it."""

    def __init__(self, job: Job) -> None:
        self.rank, self.leads = job.rank, job.rank == 0
        self.finished = False
        self.process, self.connection = start("autostr_nni.training.distributed.worker", job)

    def died(self) -> BaseException:
        """What to say of a process that ended without a word."""
        code = self.process.wait()
        if code in (-signal.SIGTERM, -signal.SIGHUP):  # sent to the whole group, and this one is next
            return KeyboardInterrupt()
        # The words of torch where a loader process is killed, so that both are understood alike.
        how = "killed by signal: Killed" if code == -signal.SIGKILL else f"gone with exit status {code}"
        return RuntimeError(f"the process of device {self.rank} is {how}")

    def end(self) -> None:
        """Let a process that has finished go, and kill any other; its loader processes go with it."""
        if self.finished:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        self.process.kill()
        self.process.wait()
        self.connection.close()


def _follow(members: list[Member], report: Report) -> Any:
    """Take what the processes send until all have finished."""
    result = None
    while awaited := [member for member in members if not member.finished]:
        ready = wait([member.connection for member in awaited], timeout=1.0)
        for member in awaited:
            if member.connection not in ready:
                if member.process.poll() is not None and not member.connection.poll():
                    raise member.died()
                continue
            try:
                kind, *content = receive(member.connection)
            except (EOFError, OSError):
                raise member.died() from None
            if kind == "report":
                report(*content)
            elif kind == "print":
                print(content[0], end="", flush=True)
            elif kind == "done":
                member.finished = True
                result = content[0] if member.leads else result
            else:
                # One that was killed makes the others fail: it is the one to be told of.
                gone = [m for m in members if m.process.poll() is not None and not m.connection.poll()]
                raise gone[0].died() if gone else with_trace(*content)
    return result


def serve(connection: Connection) -> int:
    """The work of one process: what it gets through ``connection``; the exit status."""
    job: Job = receive(connection)
    team = Team(job.rank, job.size)

    def report(metrics: Figures, final: bool) -> None:
        if team.leads:
            send(connection, ("report", dict(metrics), final))

    def work() -> Any:
        team.join(job.meeting, job.on_gpu)
        result = job.work(team=team, report=report)
        team.leave()
        return result if team.leads else None

    return answer(connection, work, printed=team.leads)


class _Elsewhere(Exception):
    """Where an error of another process came from."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def with_trace(error: Exception, trace: str) -> Exception:
    error.__cause__ = _Elsewhere(trace)
    return error
