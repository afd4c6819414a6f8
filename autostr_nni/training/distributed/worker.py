"""One process of a team, started by ``launch`` alone.

``python -m autostr_nni.training.distributed.worker PIPE PARENT``
"""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from autostr_nni.system.lifeline import die_with_parent


def main() -> int:
    """Do the work that comes through the pipe; the exit status."""
    die_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    connection = Connection(int(sys.argv[1]))
    from autostr_nni.training.distributed.launch import serve  # heavy

    return serve(connection)


if __name__ == "__main__":
    sys.exit(main())
