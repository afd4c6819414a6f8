"""The progress of a search in this process, from its strategy and the files of its trials."""

from __future__ import annotations

import time
from pathlib import Path

from autostr_nni.progress.display import Display
from autostr_nni.progress.estimate import DONE, FAILED, RUNNING, Seen
from autostr_nni.progress.plan import plan_of
from autostr_nni.progress.state import seen_in, state_line
from autostr_nni.recipe import Recipe
from autostr_nni.runs.figures import figures
from autostr_nni.runs.trial_record import TrialRecord
from autostr_nni.strategies.core import RETRY, Trial
from autostr_nni.strategies.protocol import Strategy


class InProcessProgress:
    """Tells the state of a search whose trials lie in ``folder`` under their ids."""

    def __init__(
        self,
        strategy: Strategy,
        recipe: Recipe,
        folder: Path,
        display: Display,
        concurrency: int = 1,
    ) -> None:
        self.plan = plan_of(strategy, recipe, concurrency)
        self._strategy, self._folder, self._display = strategy, folder, display
        self._running: dict[str, float] = {}  # when each began
        self._ended: dict[str, Seen] = {}

    def start(self, trial: str) -> None:
        """The trial is under way."""
        self._running[trial] = time.time()

    def show(self, ended: str | None = None) -> None:
        """Tell the state; ``ended``: a trial that just did."""
        line = self.line()
        if ended is not None:
            self._running.pop(ended, None)
        self._display.state(line, ended is not None)

    def line(self) -> str:
        """The state in a line, as of `state_line`."""
        trials = self._strategy.trials
        seen = [found for trial in trials if (found := self._seen(trial)) is not None]
        records = [
            TrialRecord(t.id, t.parameters, figures(t.metrics or {})) for t in trials if t.status == "done"
        ]
        return state_line(self.plan, seen, records, self._strategy.finished)

    def _seen(self, trial: Trial) -> Seen | None:
        """A trial as it stands; None for one that waits."""
        if trial.id in self._ended:
            return self._ended[trial.id]
        begun = self._running.get(trial.id)
        if begun is None and not trial.settled:
            return None
        folder, key, now = self._folder / trial.id, trial.id.removesuffix(RETRY), time.time()
        status = RUNNING if not trial.settled else DONE if trial.status == "done" else FAILED
        found = seen_in(folder, self.plan, key, trial.parameters, status, now, begun, now)
        if trial.settled:
            self._ended[trial.id] = found
        return found
