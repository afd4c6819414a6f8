"""NNI's page of an experiment that has ended: what ``autostr view`` shows."""

from __future__ import annotations

import time
from pathlib import Path

from autostr_nni.nni.experiment.file import ExperimentFile
from autostr_nni.nni.experiment.stored import read_stored
from autostr_nni.nni.manager import processes
from autostr_nni.nni.manager.launcher import choose_port, start_experiment
from autostr_nni.nni.manager.rest import LOOPBACK
from autostr_nni.nni.resume import alone
from autostr_nni.progress.display import Log
from autostr_nni.system.errors import InputError
from autostr_nni.system.leaving import stoppable


def view(folder: Path, port: int | None, host: str, log: Log) -> None:
    """Show the page of the experiment in ``folder`` until Ctrl-C; that of a running one is told, not made.

    Raises InputError for an experiment that NNI cannot show, SearchError where the page does not start.
    """
    manager = processes.manager_of(folder)
    if manager is not None:
        log(f"experiment {folder.name} is shown already: http://{LOOPBACK}:{processes.port_of(manager)}/")
        return
    with alone(folder), stoppable():
        stored = read_stored(folder)
        if stored.params.get("experimentType", "hpo") != "hpo":
            raise InputError(
                f"experiment {folder.name} was run by NNI's NasExperiment, which NNI 3.0 cannot show"
            )
        config = {**stored.params, "experimentWorkingDirectory": str(folder.parent)}
        experiment = ExperimentFile(folder, config, None, None)
        port = choose_port(port, host)
        running = start_experiment(experiment, port, host, detach=False, resumed=folder.name, view=True)
        try:
            log(f"page: {running.address}/  experiment: {folder.name}  (Ctrl-C ends it)")
            while running.alive:
                time.sleep(0.5)
        except KeyboardInterrupt:
            pass
        finally:
            running.stop()
