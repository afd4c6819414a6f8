"""Trials of a resumed experiment that NNI itself runs again: which proposals they are, and how they ended."""

from __future__ import annotations

from collections.abc import Iterable

from autostr_nni.nni import manager_side
from autostr_nni.strategies.core import Proposal


class Recovered:
    """NNI tells a tuner of the results of such trials, but not of their failures: these are looked for."""

    def __init__(self) -> None:
        self._proposals: dict[str, str] = {}  # by NNI's id of the trial

    def claim(self, proposals: Iterable[Proposal]) -> list[Proposal]:
        """Find the proposals that NNI has in hand, and give the others."""
        others = list(proposals)
        for trial, parameters in manager_side.unfinished_trials().items():
            mine = next((item for item in others if item.parameters == parameters), None)
            if mine is not None:
                others.remove(mine)
                self._proposals[trial] = mine.id
        return others

    def failed(self, pending: set[str]) -> list[str]:
        """The proposals, of those awaited, whose trials have ended without a result; each is told once."""
        if not self._proposals:
            return []
        ended = manager_side.ended_trials()
        over = [trial for trial, id in self._proposals.items() if trial in ended or id not in pending]
        ids = [self._proposals.pop(trial) for trial in over]
        return [id for id in ids if id in pending]
