"""One trial in a process of its own, started by ``several`` alone.

``python -m autostr_nni.inprocess.worker PIPE PARENT``
"""

from __future__ import annotations

from autostr_nni.runs.figures import Figures
from autostr_nni.system.leaving import leave
from autostr_nni.system.lifeline import answer, receive, send, started
from autostr_nni.system.threads import wait_asleep


def main() -> int:
    """Run the trial that comes through the pipe; the exit status."""
    wait_asleep()  # before torch, which a module of the user's own may import
    connection = started()
    run, parameters, recipe, place = receive(connection)
    if run is None:
        from autostr_nni.training.run_trial import run_proposal  # heavy

        run = run_proposal

    def report(metrics: Figures, final: bool) -> None:
        send(connection, ("report", dict(metrics), final))

    return answer(connection, lambda: dict(run(parameters, recipe, place, report) or {}))


if __name__ == "__main__":
    leave(main())
