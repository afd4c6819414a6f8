"""Parts of a search through NNI are killed, one after another; it ends as one that nothing disturbed.

One search takes all faults of a kind, each at a moment that the search is held at. What a fault cost is told
from the batches that were trained twice.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_search import CHANGES, PATHS, Search, findings, wait

from autostr_nni.cli.main import main
from autostr_nni.nni.manager.launcher import PRELOAD

pytestmark = pytest.mark.faults

Fault = Callable[[str], Any]


@pytest.fixture(scope="module")
def undisturbed(tiny_search: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the search finds when nothing disturbs it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    config = tiny_search(folder, **CHANGES)
    assert main(["search", str(config), "--in-process", "--out", str(folder / "run")]) == 0
    return findings(json.loads((folder / "run" / "summary.json").read_text()))


def batches_again(search: Search, step: str, epoch: int) -> int:
    """How many batches of an epoch were trained more than once by trials that repeat each other."""
    mine: dict[str, list[int]] = {}
    for trial, of, at, place in search.steps():
        if (of, at) == (step, epoch):
            mine.setdefault(str(parameters(search, trial)), []).append(place)
    return sum(len(places) - len(set(places)) for places in mine.values())


def parameters(search: Search, trial: str) -> dict[str, Any]:
    file = search.trial_file(trial, "parameters.json")
    return dict(json.loads(file.read_text())["parameters"])


def first_epochs(search: Search, step: str) -> list[int]:
    """The first epoch that each trial of a step trained, trial by trial."""
    found: dict[str, int] = {}
    for trial, of, epoch, _ in search.steps():
        if of == step:
            found.setdefault(trial, epoch)
    return list(found.values())


def batches(moment: str) -> str:
    """How far into its epoch a trial is that is held at a moment."""
    number = int(moment.rsplit("-", 1)[1])
    return f"{number} batch{'es' if number != 1 else ''}"


def strike_trial(search: Search, row: Any, moment: str, number: int) -> None:
    """End the held trial; NNI counts it as failed, and it is repeated under another name from its epoch."""
    step, epoch, _ = moment.split("-")
    before = len(first_epochs(search, step))
    os.kill(search.held(moment), number)
    search.release(moment)
    wait(lambda: int(epoch) in first_epochs(search, step)[before:])
    wait(lambda: batches_again(search, step, int(epoch)) > 0)
    row.lost = (
        f"{batches(moment)} of the epoch in flight; the repeated trial goes on in epoch {int(epoch) + 1}"
    )


def strike_part(
    search: Search, row: Any, moment: str, part: Any, number: int, status: int | None, runs: Any
) -> None:
    """End a part of the search, which ends as a whole; `autostr resume` then comes to the moment again."""
    search.held(moment)
    finished = search.finished()
    part().send_signal(number)
    said = search.ended(runs, status)
    if status == 1:
        assert f"go on with: autostr resume {search.id}" in said
    search.nothing_left()
    search.release(moment)
    kept = search.finished()
    assert finished.items() <= kept.items()
    row.lost = f"{batches(moment)} of the epoch in flight; {len(kept)} trials with a result kept"


def goes_on_to(search: Search, moment: str) -> None:
    """The trial in flight goes on in its epoch, and not before."""
    step, epoch, _ = moment.split("-")
    count = len(search.steps())
    search.held(moment)
    new = {(of, at) for _, of, at, _ in search.steps()[count - 1 :] if of == step}
    assert min(at for _, at in new) >= int(epoch)


def end(search: Search, undisturbed: dict[str, Any], finished: dict[str, float]) -> None:
    """All that was finished is kept as it was, and the search has found what it would have found."""
    assert finished.items() <= search.finished().items()
    assert findings(search.results()) == undisturbed
    search.check_reports()
    search.nothing_left()


def test_killed(search: Search, fault: Fault, undisturbed: dict[str, Any]) -> None:
    search.hold("path-1-2", "operators-1-3", "operators-2-2")
    runs = search.start()
    with fault("path-kill") as row:
        strike_trial(search, row, "path-1-2", signal.SIGKILL)
    with fault("operators-kill") as row:
        strike_trial(search, row, "operators-1-3", signal.SIGKILL)
    with fault("tuner-kill") as row:
        strike_part(search, row, "operators-2-2", search.tuner, signal.SIGKILL, 1, runs)
        search.hold("operators-2-4")
        runs = search.resume()
        goes_on_to(search, "operators-2-4")
    with fault("manager-kill") as row:
        strike_part(search, row, "operators-2-4", search.manager, signal.SIGKILL, 1, runs)
        search.hold("train-1-3")
        runs = search.resume()
        search.held("train-1-3")
    with fault("search-kill") as row:
        # Let go at once, the trial ends and reports in the second before the manager notices: NNI has its
        # report and not its end, and runs it again.
        runs.send_signal(signal.SIGKILL)
        search.release("train-1-3")
        search.ended(runs, None)
        search.nothing_left()
        finished = search.finished()
        ended = len(finished) == len(PATHS) + 2
        kept = f"{len(finished)} trials with a result kept"
        row.lost = f"{'nothing' if ended else 'the epoch in flight'}; {kept}"
        search.ended(search.resume(), 0)
    end(search, undisturbed, finished)


def test_ended_by_signals(search: Search, fault: Fault, undisturbed: dict[str, Any]) -> None:
    search.hold("path-1-2", "operators-1-3", "operators-2-1")
    runs = search.start()
    with fault("path-term") as row:
        strike_trial(search, row, "path-1-2", signal.SIGTERM)
    with fault("operators-term") as row:
        strike_trial(search, row, "operators-1-3", signal.SIGTERM)
    with fault("tuner-term") as row:
        strike_part(search, row, "operators-2-1", search.tuner, signal.SIGTERM, 1, runs)
        search.hold("operators-2-3")
        runs = search.resume()
        goes_on_to(search, "operators-2-3")
    with fault("manager-term") as row:
        strike_part(search, row, "operators-2-3", search.manager, signal.SIGTERM, 1, runs)
        search.hold("operators-2-5")
        runs = search.resume()
        goes_on_to(search, "operators-2-5")
    with fault("search-term") as row:
        strike_part(search, row, "operators-2-5", lambda: runs, signal.SIGTERM, 130, runs)
        search.hold("train-1-3")
        runs = search.resume()
        search.held("train-1-3")
    with fault("search-int") as row:
        strike_part(search, row, "train-1-3", lambda: runs, signal.SIGINT, 130, runs)
        finished = search.finished()
        resumed_by_nni(search)
    steps = len(search.steps())
    search.ended(search.resume(), 0)  # all is done: it only tells
    assert len(search.steps()) == steps
    end(search, undisturbed, finished)


def resumed_by_nni(search: Search) -> None:
    """`nnictl resume` goes on too, as docs/resuming.md tells; its page stays until `nnictl stop`."""
    search.environment["NODE_OPTIONS"] = f'--require "{PRELOAD}"'
    search.environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    nnictl = [sys.executable, "-m", "nni.tools.nnictl.nnictl"]
    search.ended(search.popen([*nnictl, "resume", search.id, "--port", str(free_port())]), 0)
    wait(lambda: len(search.finished()) == 5)
    wait(lambda: '"finished": true' in (search.place / "autostr_state.json").read_text())
    search.look()
    search.ended(search.popen([*nnictl, "stop", search.id]), 0)
    del search.environment["NODE_OPTIONS"]
    search.nothing_left()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_space_or_with_damage(search: Search, fault: Fault, undisturbed: dict[str, Any]) -> None:
    import psutil

    search.hold("path-1-2")
    runs = search.start()
    with fault("nni-checkpoint-full") as row:
        full = psutil.Process(search.held("path-1-2"))
        full.rlimit(psutil.RLIMIT_FSIZE, (20_000, 20_000))  # as if so much were left
        search.release("path-1-2")
        said = search.ended(runs, 1)
        assert "nothing more can be written there (file too large); free space" in said, said
        search.nothing_left()
        search.hold("operators-1-3")
        runs = search.resume()
        search.held("operators-1-3")
        assert 1 in first_epochs(search, "path")  # the trial without space goes on after its first epoch
        row.lost = "the epoch in flight"
    with fault("nni-state-full") as row:
        search.tuner().rlimit(psutil.RLIMIT_FSIZE, (1000, 1000))
        search.release("operators-1-3")
        said = search.ended(runs, 1)
        assert "nothing more can be written there" in said and "autostr resume" in said, said
        search.nothing_left()
        finished = search.finished()
        assert len(finished) == 4
        search.hold("train-2-3")
        runs = search.resume()
        search.held("train-2-3")
        assert finished.items() <= search.finished().items()
        row.lost = f"nothing: {len(finished)} trials with a result kept"
    with fault("everything-kill") as row:
        for process in search.processes():
            process.send_signal(signal.SIGKILL)
        search.ended(runs, None)
        search.nothing_left()
        search.release("train-2-3")
        row.lost = f"3 batches of the epoch in flight; {len(finished)} trials with a result kept"
        search.hold("train-2-4")
        runs = search.resume()
        goes_on_to(search, "train-2-4")
        runs.send_signal(signal.SIGKILL)
        search.ended(runs, None)
        search.nothing_left()
        search.release("train-2-4")
    (trained,) = [f for f in search.trial_folders() if (f / "best.ckpt").exists()]
    cut(search.place / "autostr_state.json")
    cut(trained / "last.ckpt")
    with fault("nni-state-cut") as row, fault("nni-checkpoint-cut") as other:
        said = search.ended(search.resume(), 0)
        assert "autostr_state.json is damaged: the state before it and NNI's record" in said, said
        told = (trained / "trial.stdout").read_text() + (trained / "trial.log").read_text()
        assert "last.ckpt is damaged: the trial goes on from the checkpoint before it" in told, told
        row.lost = f"nothing: {len(finished)} trials with a result kept"
        other.lost = "the epoch before the one in flight"
    end(search, undisturbed, finished)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
