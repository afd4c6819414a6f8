"""A search in-process, killed with SIGKILL at random moments of its whole life; a program, run by its test.

Each run is a fork of this process, which has imported what takes long: `killed_at_random.py EXPERIMENT FOLDER
KILLS SEED` prints a JSON line for each kill: what the search was at, and how many epochs were done.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import autostr_nni.training.run_trial  # noqa: F401  (takes long)
from autostr_nni.cli.main import main
from autostr_nni.inprocess import run
from autostr_nni.runs import records
from autostr_nni.system import files
from autostr_nni.training import one_net, operator_search, run_trial
from autostr_nni.training.going_on import continuing
from autostr_nni.training.one_shot import ranking
from autostr_nni.training.tasks import ReadingTask

board = mmap.mmap(-1, 128)  # what the child is at, seen by its parent


def at(what: str) -> None:
    board[1:] = what.encode().ljust(127, b"\0")


def seen() -> str:
    return board[1:].rstrip(b"\0").decode()


def ranked_one(kept: Any, *_: Any) -> str:
    ranked = len(kept.lines) + 1
    board[0] += ranked % kept.options.population == 0
    return "saving ranked.jsonl"


def saved_one(*_: Any) -> str:
    board[0] += 1  # epochs of this run that came to their checkpoint
    return "saving last.ckpt"


WATCHED: tuple[tuple[Any, str, Callable[..., str]], ...] = (
    (ReadingTask, "loss_of", lambda task, batch: f"training {type(task).__name__} {task.current_epoch}"),
    (ReadingTask, "validation_step", lambda task, *rest: f"validation of {type(task).__name__}"),
    (continuing.CheckpointFiles, "save_checkpoint", saved_one),
    (continuing, "keep_previous", lambda *_: "saving last.ckpt, the old one put by"),
    (one_net, "save_trained", lambda *_: "saving best.ckpt"),
    (one_net, "write_atomic", lambda path, text: f"saving {path.name}"),
    (operator_search, "write_atomic", lambda path, text: f"saving {path.name}"),
    (run_trial, "write_atomic", lambda path, text: f"saving {path.name}"),
    (run_trial, "climb", lambda folder, parameters: f"climbing in {folder.name}"),
    (ranking.Scorer, "score", lambda scorer, net: f"scoring {net.text}"),
    (ranking.Ranking, "add", ranked_one),
    (ranking, "save_trained", lambda path, trained: f"saving {path.name}"),
    (records, "write_atomic", lambda path, text: f"saving {path.name}"),
    (run, "save_state", lambda *_: "saving state.json"),
    (files, "_flush", lambda path: f"{seen()}, flushing"),
)


def watch(owner: Any, name: str, what: Callable[..., str]) -> None:
    """Note on the board what a function is about to do, and that it is done."""
    original = getattr(owner, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        at(what(*args))
        try:
            return original(*args, **kwargs)
        finally:
            at("between")

    setattr(owner, name, noted)


def child(arguments: list[str]) -> int:
    """Fork one run of the search; its process id."""
    at("starting")
    board[0] = 0
    pid = os.fork()
    if pid:
        return pid
    said = os.open(arguments[-1] + "-said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    for owner, name, what in WATCHED:
        watch(owner, name, what)
    os._exit(main(arguments))


def ends_well(pid: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, f"it ended with {status}"


def epochs_done(folder: Path) -> int:
    """Epochs, and populations of ranked nets; a net that climbed has those of its rungs below once."""
    done = 0
    for trial in folder.glob("trials/*/metrics.jsonl"):
        climbed = trial.with_name("climbed.json")
        before = json.loads(climbed.read_text())["epochs"] if climbed.exists() else 0
        done += max(0, len(trial.read_text().splitlines()) - before)
    return done


def in_flight(folder: Path) -> str:
    """The trial that was cut short, or the last that ended."""
    trials = sorted(
        folder.glob("trials/*/"), key=lambda trial: ((trial / "result.json").exists(), trial.name)
    )
    begun = [trial for trial in trials if not (trial / "result.json").exists()]
    return (begun or trials or [folder])[-1].name


def strike(arguments: list[str], epochs: int, moment: float | None, saves: int) -> tuple[str, bool]:
    """Kill a run after so many epochs: `moment` seconds later, or with None in its `saves`-th save then.

    Returns what it was at, and whether it had ended before.
    """
    pid = child(arguments)
    begun, saved, before = 0.0, 0, ""
    while not os.waitpid(pid, os.WNOHANG)[0]:
        what = seen()
        if board[0] >= epochs and what != "starting":
            begun = begun or time.monotonic()
            saved += what != before and what.startswith("saving")
        before = what
        if begun and (saved >= saves if moment is None else time.monotonic() > begun + moment):
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            return seen(), os.waitstatus_to_exitcode(status) != -signal.SIGKILL
    return "ended", True


def run(experiment: str, folder: Path, kills: int, seed: int) -> None:
    arguments = ["search", experiment, "--in-process", "--out", str(folder)]
    start = time.monotonic()
    pid = child([*arguments[:-1], str(folder) + "-whole"])
    ends_well(pid)
    total = epochs_done(Path(str(folder) + "-whole"))
    epoch = (time.monotonic() - start) / total
    draw = random.Random(seed)
    for number in range(kills):
        done = epochs_done(folder)
        # Over its whole life: each kill has its share of the epochs, and falls somewhere in the next one.
        behind = max(1, int((total - 1) * (number + 1) / (kills + 1))) - done
        moment = None if draw.random() < 0.4 else draw.uniform(0, 0.8) * epoch
        again = ["resume", str(folder)] if number % 2 else arguments  # each goes on as well as the other
        what, ended = strike(again, max(0, behind), moment, draw.randint(1, 4))
        told = {"at": what, "in": in_flight(folder), "ended": ended, "done": epochs_done(folder), "of": total}
        print(json.dumps(told), flush=True)
    pid = child(arguments)
    ends_well(pid)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
