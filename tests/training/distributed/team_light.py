"""Quick work for teams in the tests, without Lightning; their processes import it by this name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from autostr_nni.runs.figures import Report
from autostr_nni.system.errors import InputError, TrainingFailed
from autostr_nni.training.distributed.group import Team


def fail(how: str, rank: int, *, team: Team, report: Report) -> None:
    """One process fails, the others wait for it."""
    if team.rank == rank:
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise {"input": InputError, "training": TrainingFailed, "other": KeyError}[how]("the reason")
    team.counts(1)


def ids(*, team: Team, report: Report) -> list[int]:
    """The processes; the leader prints and reports, and so do the others, whom nobody hears."""
    print(f"printed by {team.rank}")
    report({"rank": team.rank}, False)
    return team.gathered(os.getpid())


def waits(folder: Path, *, team: Team, report: Report) -> None:
    """Write the process's id and wait for ever."""
    (folder / str(team.rank)).write_text(str(os.getpid()))
    while True:
        signal.pause()
