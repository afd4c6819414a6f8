"""A trial's own parameters, not the next ones in NNI's queue.

NNI 3.0 hands parameters to trials in the order in which they ask (microsoft/nni issue 5726): at a
concurrency above 1, or once a trial has died early, a trial runs with another's parameters. Under
``autostr search`` the manager is mended (``preload.cjs``). Under a plain ``nnictl create`` the trial asks the
manager for its own record, from another machine too.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import nni.trial
import requests
from nni.runtime.trial_command_channel import get_default_trial_command_channel

from autostr_nni.nni.manager.rest import Manager, record_in
from autostr_nni.system.errors import InputError

MENDED = "AUTOSTR_OWN_PARAMETERS"  # set by preload.cjs for every trial of a mended manager


def own_parameter(patience: float = 60.0) -> dict[str, Any]:
    """The parameters that this trial was made for; metrics are then reported under their id.

    Waits up to ``patience`` seconds for the manager to know the trial. Raises InputError outside a trial.
    """
    record = nni.trial._params
    if record is None:
        if not os.environ.get("NNI_TRIAL_JOB_ID"):
            raise InputError(
                "this program runs as a trial of an NNI experiment; how to start one: autostr search --help"
            )
        record = None if os.environ.get(MENDED) else _own_record(patience)
        if record is None:
            record = get_default_trial_command_channel().receive_parameter()
        if record is None:
            raise InputError("NNI's manager has ended and has no parameters for this trial")
        nni.trial._params = record  # NNI reports metrics under this record's parameter_id
    return dict(record["parameters"])


def _own_record(patience: float) -> Any:
    """This trial's record in the manager's list; None, with a warning, where the manager cannot be asked."""
    manager = Manager.of_trial()
    trial = os.environ["NNI_TRIAL_JOB_ID"]
    reason = "its address is not known"
    deadline = time.monotonic() + patience
    while manager is not None and time.monotonic() < deadline:
        try:
            row = manager.get(f"trial-jobs/{trial}")
            # A trial that starts quickly asks before the manager has written its record down.
            if row and (record := record_in(row)):
                return record
            reason = "it has no record of this trial"
        except requests.ConnectionError as error:
            reason = str(error)
            break
        except (requests.RequestException, ValueError) as error:
            reason = str(error)
        time.sleep(0.2)
    print(
        f"autostr: warning: trial {trial} cannot ask NNI's manager for its own parameters ({reason}) and "
        "takes the next ones in the queue, which may be another's; start the experiment with: autostr search",
        file=sys.stderr,
    )
    return None
