"""One process of a team, started by ``launch`` alone.

``python -m autostr_nni.training.distributed.worker PIPE PARENT``
"""

from __future__ import annotations

import sys

from autostr_nni.system.lifeline import started


def main() -> int:
    """Do the work that comes through the pipe; the exit status."""
    connection = started()
    from autostr_nni.training.distributed.launch import serve  # heavy

    return serve(connection)


if __name__ == "__main__":
    sys.exit(main())
