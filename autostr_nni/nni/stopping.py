"""Trials that end early: what NNI's assessor is asked, and what is known of a trial that was stopped.

NNI asks an assessor about every trial, whatever it trains, and forgets what it stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nni.common import load
from nni.runtime.msg_dispatcher import MsgDispatcher
from nni.runtime.tuner_command_channel import CommandType
from nni.utils import MetricType

from autostr_nni.nni.manager.rest import EARLY


class EarlyStops:
    """Stands before a dispatcher: passes on to the assessor only what concerns trials that it may stop."""

    def __init__(self, dispatcher: MsgDispatcher, stoppable: Callable[[int], bool]) -> None:
        self._stoppable = stoppable
        self._reports: dict[int, list[Any]] = {}
        self._stopped: set[int] = set()
        self._killed: set[str] = set()  # names of trials
        self._report, self._end = dispatcher.handle_report_metric_data, dispatcher.handle_trial_end
        dispatcher.handle_report_metric_data = self._reported
        dispatcher.handle_trial_end = self._ended
        self._send, dispatcher.send = dispatcher.send, self._sent

    def reports_of(self, parameter_id: int) -> list[Any] | None:
        """The reports of a trial that was stopped, which are then forgotten; None of one that was not."""
        reports = self._reports.pop(parameter_id, [])
        return reports if parameter_id in self._stopped else None

    def _reported(self, data: dict[str, Any]) -> None:
        parameter_id = data["parameter_id"]
        if data["type"] == MetricType.PERIODICAL:
            self._reports.setdefault(parameter_id, []).append(load(data["value"]))
            if not self._stoppable(parameter_id):
                return
        self._report(data)

    def _ended(self, data: dict[str, Any]) -> None:
        parameter_id = load(data["hyper_params"])["parameter_id"]
        # A manager that is not mended, under `nnictl create`, takes what it was told to kill for failed.
        killed = data["event"] == "FAILED" and data["trial_job_id"] in self._killed
        if data["event"] == EARLY or killed:
            self._stopped.add(parameter_id)
        else:
            self._reports.pop(parameter_id, None)
        self._end(data)

    def _sent(self, command: CommandType, data: str) -> None:
        if command is CommandType.KillTrialJob:
            self._killed.add(load(data))
        self._send(command, data)
