"""What NNI has of a trial's reports: a trial that goes on reports every epoch, and each once."""

from __future__ import annotations

import os
from collections.abc import Callable

import requests

from autostr_nni.nni.manager.rest import Manager
from autostr_nni.runs.figures import Figures
from autostr_nni.system.json_text import unpacked


class Reported:
    """The epochs of this trial that NNI's manager has.

    A trial that was killed may have saved an epoch that it had not reported yet, and one that goes on from
    the checkpoint before the last repeats an epoch that it has reported.
    """

    def __init__(self, lines: Callable[[], list[Figures]]) -> None:
        """``lines`` reads the metrics of the trial's epochs so far."""
        self._lines = lines
        self._known: set[int] | None = None
        self._asked = False

    def owed(self, metrics: Figures, final: bool) -> list[Figures]:
        """The metrics of epochs that are still to be reported, with those of the one that just ended."""
        if not self._asked:
            self._asked, self._known = True, _known_to_manager()
        current = [] if final else [metrics]
        if self._known is None or "epoch" not in metrics:
            return current
        by_epoch = {line["epoch"]: line for line in [*self._lines(), *current] if "epoch" in line}
        return [by_epoch[epoch] for epoch in sorted(by_epoch) if epoch not in self._known]

    def sent(self, metrics: Figures) -> None:
        """NNI has taken this one."""
        if self._known is not None and "epoch" in metrics:
            self._known.add(metrics["epoch"])


def _known_to_manager() -> set[int] | None:
    """The epochs that the manager has of this trial; None where it cannot be asked."""
    manager, trial = Manager.of_trial(), os.environ.get("NNI_TRIAL_JOB_ID")
    if manager is None or not trial:
        return None
    try:
        reports = manager.get(f"metric-data/{trial}?type=PERIODICAL")
        found = [unpacked(report["data"]) for report in reports if report["trialJobId"] == trial]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return {report["epoch"] for report in found if isinstance(report, dict) and "epoch" in report}
