"""The quick end of a process that has imported torch. Light."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Any, NoReturn


def leave(status: Any) -> NoReturn:
    """End this process as ``sys.exit(status)`` would, without taking every imported module apart first.

    What was registered for the end runs, and threads are waited for.
    """
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader is gone: nobody is left to tell
            status = status or 120
    os._exit((status or 0) & 0xFF)
