"""A fork of the warm process: how it becomes a trial, and how it ends with all that it has started."""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from autostr_nni.system.leaving import leave
from autostr_nni.system.lifeline import die_with_parent
from autostr_nni.warm.talk import FOLDER_VARIABLE, Request

MODULE = "autostr_nni.trial"


def kill_all(pid: int) -> None:
    """Kill a child and what it has started: its session's processes, and those that have left it."""
    import psutil

    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        family = psutil.Process(pid).children(recursive=True)
    for kill in (os.killpg, os.kill):  # it may not have its session yet
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()


def become(request: Request, streams: list[int], made: Mapping[str, str], server: int) -> NoReturn:
    """In the child: be the command's process, run the trial, and end.

    `made`: variables that importing has set, as it would in the command's own process.
    """
    os.setsid()
    die_with_parent(server)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update({**request.environment, **made})
    os.environ.pop(FOLDER_VARIABLE, None)  # what the trial starts, and the trial itself, run where they are
    os.chdir(request.folder)
    sys.path[:] = request.path
    sys.argv[:] = request.argv
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
        status: Any = 0
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    leave(status)
