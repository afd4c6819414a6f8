"""An interrupted command is interrupted, whatever else is said of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from autostr_nni.system.leaving import stoppable


@pytest.fixture
def watched_children():
    """As torch watches loader processes: the death of one is an error at whatever line is being run."""

    def died(number, frame):
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Terminated.")

    before = signal.signal(signal.SIGCHLD, died)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_loader_processes_that_end_with_the_group_are_no_error(watched_children, number):
    with pytest.raises(KeyboardInterrupt), stoppable():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGCHLD)


def test_before_it_their_death_is_an_error(watched_children):
    with pytest.raises(RuntimeError, match="killed"), stoppable():
        os.kill(os.getpid(), signal.SIGCHLD)


TRIAL = """
import signal, subprocess
from autostr_nni.trial import end_children

def died(number, frame):
    raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

signal.signal(signal.SIGCHLD, died)
worker = subprocess.Popen(["sleep", "60"])
end_children()
assert worker.wait() == -signal.SIGKILL
"""


def test_a_trial_takes_its_loader_processes_along():
    """In a process of its own: it ends all that belong to it."""
    subprocess.run([sys.executable, "-c", TRIAL], check=True)
