"""The progress of an NNI experiment, from its list of trials and the files that they write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.manager.rest import EARLY, FINAL_STATUSES
from autostr_nni.nni.manager.waiting import Waiting
from autostr_nni.nni.rows import failed_sentence, metrics_that_count, parameters_of, stopped_sentence
from autostr_nni.nni.state import read_state
from autostr_nni.progress.display import Log, as_display
from autostr_nni.progress.estimate import DONE, FAILED, RUNNING, Seen
from autostr_nni.progress.plan import Plan, plan_of
from autostr_nni.progress.state import seen_in, state_line
from autostr_nni.runs.layout import trial_folder
from autostr_nni.runs.trial_record import TrialRecord

Row = Mapping[str, Any]


class ExperimentProgress:
    """Tells the state of an experiment, and every trial that failed; called with NNI's rows at every look."""

    def __init__(
        self, folder: Path, experiment: ExperimentFile, log: Log, clock: Callable[[], float] = time.time
    ) -> None:
        self.plan = plan_of_experiment(experiment)
        self._one_step = experiment.strategy_name is None  # of a tuner whose steps are not known
        self._folder = folder
        self._display = as_display(log)
        self._waiting = Waiting(folder)
        self._clock = clock
        self._ended: dict[str, Seen] = {}
        self._records: dict[str, TrialRecord] = {}
        self._finished = False  # as the tuner says

    def __call__(self, rows: Sequence[Row]) -> None:
        before = len(self._ended), self._finished
        for row in rows:
            if row["status"] in FINAL_STATUSES and row["trialJobId"] not in self._ended:
                self._end(row)
        if told := self._waiting.due():
            self._display(told)
        if self.plan and self.plan.rungs:  # how many trials there are is known at the end alone
            self._finished = bool(read_state(self._folder).get("finished"))
        self._display.state(self.line(rows), event=(len(self._ended), self._finished) != before)

    def line(self, rows: Sequence[Row]) -> str:
        """The state in a line, as of `state_line`."""
        running = [self.seen(row, RUNNING) for row in rows if row["status"] == "RUNNING"]
        trials = [*self._ended.values(), *running]
        return state_line(self.plan, trials, self._records.values(), self._finished)

    def _end(self, row: Row) -> None:
        trial, parameters = row["trialJobId"], parameters_of(row)
        metrics = metrics_that_count(row, self._folder)
        self._ended[trial] = self.seen(row, FAILED if metrics is None else DONE)
        if metrics is None:
            self._display(failed_sentence(trial, parameters, row["status"], self._folder))
        else:
            if row["status"] == EARLY:
                self._display(stopped_sentence(trial, parameters, metrics))
            self._records[trial] = TrialRecord(trial, parameters, metrics)

    def seen(self, row: Row, status: str) -> Seen:
        """A trial as it stands."""
        parameters = parameters_of(row)
        known = {} if self._one_step else parameters
        began, ended = ((row.get(key) or 0) / 1000 for key in ("startTime", "endTime"))
        folder, key = trial_folder(self._folder, row["trialJobId"]), json.dumps(parameters, sort_keys=True)
        return seen_in(folder, self.plan, key, known, status, self._clock(), began, ended)


def plan_of_experiment(experiment: ExperimentFile) -> Plan | None:
    """What the experiment has before it; None where nothing limits its trials."""
    strategy, concurrency = experiment.strategy(), experiment.concurrency
    if strategy is not None and experiment.recipe is not None:
        return plan_of(strategy, experiment.recipe, concurrency)
    limit = experiment.config.get("maxTrialNumber")
    return Plan((("", limit),), concurrency=concurrency) if limit else None
