"""Signals: what a process was told to ignore it goes on ignoring."""

from __future__ import annotations

import os
import signal

import pytest

from autostr_nni.system.leaving import handling, stoppable


def test_a_hangup_stops_what_was_started() -> None:
    with pytest.raises(KeyboardInterrupt), stoppable():
        os.kill(os.getpid(), signal.SIGHUP)


def test_nohup_is_heeded() -> None:
    with handling([signal.SIGHUP], signal.SIG_IGN):
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
