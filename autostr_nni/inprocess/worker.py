"""One trial in a process of its own, started by ``several`` alone.

``python -m autostr_nni.inprocess.worker PIPE PARENT``
"""

from __future__ import annotations

import pickle
import signal
import sys
import traceback
from contextlib import redirect_stdout
from multiprocessing.connection import Connection

from autostr_nni.runs.figures import Figures
from autostr_nni.system.leaving import leave
from autostr_nni.system.lifeline import die_with_parent
from autostr_nni.system.threads import wait_asleep


def main() -> int:
    """Run the trial that comes through the pipe; the exit status."""
    die_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    wait_asleep()
    connection = Connection(int(sys.argv[1]))
    from autostr_nni.training.distributed.launch import Printed, send, sendable  # heavy
    from autostr_nni.training.run_trial import run_proposal

    run, parameters, recipe, place = pickle.loads(connection.recv_bytes())

    def report(metrics: Figures, final: bool) -> None:
        send(connection, ("report", dict(metrics), final))

    try:
        with redirect_stdout(Printed(connection)):
            metrics = (run or run_proposal)(parameters, recipe, place, report)
        send(connection, ("done", dict(metrics or {})))
    except BaseException as error:
        send(connection, ("failed", sendable(error), traceback.format_exc()))
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
