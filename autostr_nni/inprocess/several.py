"""Several trials of a search at a time, each in a process of its own that sees its own GPUs alone.

Trials start in the strategy's order. The processes report through a pipe, and the one that started them keeps
the state: killed, the kernel ends them too, and the search goes on from their checkpoints.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from autostr_nni.inprocess.places import Places
from autostr_nni.inprocess.progress import InProcessProgress
from autostr_nni.inprocess.told import Run, broke, progress, trial_folder
from autostr_nni.progress.display import Log
from autostr_nni.recipe import Recipe
from autostr_nni.runs.search_folder import save_state
from autostr_nni.strategies.core import Metrics, Proposal
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.system.errors import InputError
from autostr_nni.system.lifeline import receive, start
from autostr_nni.system.threads import default_threads

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Worker:
    """The process of one trial, as seen by the one that started it."""

    def __init__(
        self, proposal: Proposal, recipe: Recipe, place: Path, run: Any, gpus: tuple[int, ...], most: int
    ) -> None:
        self.proposal, self.gpus, self.place = proposal, gpus, place
        environment = {**os.environ, "OMP_NUM_THREADS": str(default_threads(most))}
        if gpus:
            environment[VISIBLE] = ",".join(map(str, gpus))
            environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as the numbers were counted
        work = (run, dict(proposal.parameters), recipe, place)
        self.begun = time.monotonic()
        self.final: Metrics = {}  # as it was reported
        self.process, self.connection = start("autostr_nni.inprocess.worker", work, environment)

    def message(self) -> tuple[Any, ...]:
        """What it has sent; ``("failed", error, text)`` for one that ended without a word."""
        try:
            received: tuple[Any, ...] = receive(self.connection)
            return received
        except (EOFError, OSError):
            code = self.process.wait()
            if code in (-signal.SIGTERM, -signal.SIGHUP):
                raise KeyboardInterrupt from None  # sent to the whole group, and this one is next
            how = f"killed by signal {-code}" if code < 0 else f"gone with exit status {code}"
            error = RuntimeError(f"the trial's process is {how}")
            return ("failed", error, str(error))

    def end(self) -> None:
        """Kill the process and what it has started, unless it has ended by itself."""
        import psutil

        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    child.kill()
        self.process.kill()
        self.process.wait()
        self.connection.close()


def next_messages(workers: list[Worker], idle: Callable[[], None]) -> list[tuple[Worker, tuple[Any, ...]]]:
    """What one or more of the processes have sent; ``idle`` is called while nothing comes."""
    connections: dict[Connection, Worker] = {worker.connection: worker for worker in workers}
    while not (ready := wait(list(connections), timeout=1.0)):
        idle()
    return [(connections[one], connections[one].message()) for one in ready]  # type: ignore[index]


def run_several(
    strategy: Strategy,
    recipe: Recipe,
    folder: Path,
    run: Run | None,
    log: Log,
    state: InProcessProgress,
    places: Places,
) -> None:
    """Trials until the strategy has finished; what has ended is observed at once, one after another."""
    running: dict[str, Worker] = {}
    try:
        while not strategy.finished:
            strategy.suggest()
            for proposal, gpus in _may_start(strategy, recipe, places, running):
                place = trial_folder(folder, proposal.id)
                place.mkdir(parents=True, exist_ok=True)
                log(f"{proposal.id}: started" + (f" on GPU {', '.join(map(str, gpus))}" if gpus else ""))
                running[proposal.id] = Worker(proposal, recipe, place, run, gpus, places.most)
                state.start(proposal.id)
            if not running:
                raise RuntimeError(f"the strategy {strategy.name} proposes nothing and has not finished")
            for worker, (kind, *content) in next_messages(list(running.values()), state.show):
                id = worker.proposal.id
                if kind == "print":
                    print(content[0], end="", flush=True)
                elif kind == "report" and not content[1]:
                    log(f"{id}: {progress(content[0])}")
                elif kind == "report":
                    worker.final = content[0]
                else:
                    metrics = _ended(worker, kind, content, log)
                    running.pop(id).end()
                    strategy.observe(id, metrics)
                    save_state(strategy, recipe, folder)
                    state.show(ended=id)
    finally:
        for worker in running.values():
            worker.end()


def _may_start(
    strategy: Strategy, recipe: Recipe, places: Places, running: Mapping[str, Worker]
) -> Iterator[tuple[Proposal, tuple[int, ...]]]:
    """Proposals that there is a place for beside those running, which grow meanwhile, each with its GPUs."""
    for proposal in strategy.pending():
        if proposal.id in running:
            continue
        held = [gpu for worker in running.values() for gpu in worker.gpus]
        gpus = places.given(proposal.parameters, recipe, held)
        if gpus is None or len(running) >= places.most:
            return  # in the strategy's order: the first that has to wait keeps its turn
        yield proposal, gpus


def _ended(worker: Worker, kind: str, content: list[Any], log: Log) -> Metrics | None:
    """What a trial's last message says. Raises InputError where the trial found the input at fault."""
    id = worker.proposal.id
    if kind == "done":
        metrics: Metrics = {**(content[0] or {}), **worker.final}  # a `run` may report, or return, its result
        log(f"{id}: done in {time.monotonic() - worker.begun:.0f} s: {progress(metrics)}")
        return metrics
    error, trace = content
    if isinstance(error, InputError):
        raise error  # the next trial would meet the same: let the user mend it
    broke(id, worker.place, error, trace, log)
    return None
