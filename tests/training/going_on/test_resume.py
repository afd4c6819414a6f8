"""A trial that is stopped anywhere and started again ends exactly like one that never was."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.report.reading.history import read_trial
from autostr_nni.runs import records
from autostr_nni.runs.layout import CLIMBED, LAST, LOCK
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.system.locks import hold
from autostr_nni.training import tasks
from autostr_nni.training.callbacks import epoch_end
from autostr_nni.training.going_on import continuing
from autostr_nni.training.run_trial import run_proposal
from tests.training.stopping import Killed, Log, assert_same_end


@pytest.fixture
def whole(finished, proposal) -> Path:
    """A trial that ran through."""
    folder, reports = finished(proposal)
    assert [metrics["epoch"] for metrics, final in reports if not final] == [0, 1, 2]
    assert [final for _, final in reports] == [False, False, False, True]
    return folder


def killer(monkeypatch, module: Any, name: str, when: Callable[..., bool]) -> None:
    """Make a function end the process once, before its work, where ``when`` says so."""
    original = getattr(module, name)
    alive = [True]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if alive[0] and when(*args, **kwargs):
            alive[0] = False
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, wrapped)


def test_stopped_after_every_epoch(tmp_path, make_recipe, proposal, whole):
    reports = []
    for _ in range(3):
        log = Log(stop_at=1)
        with pytest.raises(Killed):
            run_proposal(proposal, make_recipe(), tmp_path / "stopped", log)
        reports += log.reports
    log = Log()
    run_proposal(proposal, make_recipe(), tmp_path / "stopped", log)
    assert [(metrics["epoch"], final) for metrics, final in reports] == [(0, False), (1, False), (2, False)]
    assert [final for _, final in log.reports] == [True]
    assert_same_end(tmp_path / "stopped", whole)


MOMENTS = {
    "in the middle of an epoch": lambda mp: killer(
        mp,
        tasks.ReadingTask,
        "loss_of",
        lambda task, batch: task.current_epoch == 1 and task._loss_count == 1,
    ),
    "before the checkpoint": lambda mp: killer(
        mp,
        continuing.CheckpointFiles,
        "save_checkpoint",
        lambda files, checkpoint, path, storage_options: checkpoint["epoch"] == 1,
    ),
    "when the checkpoint is written and the old one stands": lambda mp: killer(
        mp, continuing, "keep_previous", lambda path: path.exists()
    ),
    "between checkpoint and metrics": lambda mp: killer(
        mp, epoch_end, "append_metrics", lambda folder, metrics: metrics["epoch"] == 1
    ),
    "before the result": lambda mp: killer(
        mp, records, "write_atomic", lambda path, text: path.name == "result.json"
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(tmp_path, monkeypatch, make_recipe, proposal, whole, moment):
    folder = tmp_path / "killed"
    MOMENTS[moment](monkeypatch)
    with pytest.raises(Killed):
        run_proposal(proposal, make_recipe(), folder, Log())
    assert read_result(folder) == {}
    run_proposal(proposal, make_recipe(), folder, Log())
    assert_same_end(folder, whole)


def test_a_torn_line_of_metrics_is_written_again(tmp_path, make_recipe, steps):
    with pytest.raises(Killed):
        run_proposal(steps["path"], make_recipe(), tmp_path, Log(stop_at=2))
    metrics = tmp_path / "metrics.jsonl"
    text = metrics.read_text()
    metrics.write_text(text[:-30])
    run_proposal(steps["path"], make_recipe(), tmp_path, Log())
    assert metrics.read_text().startswith(text)
    assert [line["epoch"] for line in read_metrics(tmp_path)] == [0, 1, 2]


def test_metrics_without_a_checkpoint_are_dropped(tmp_path, make_recipe, steps):
    folder = tmp_path / "trial"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"epoch": 0, "default": 1.0}\n')
    run_proposal(steps["path"], make_recipe(), folder, Log())
    assert [line["epoch"] for line in read_metrics(folder)] == [0, 1, 2]


def test_seconds_and_images_go_on_counting(tmp_path, make_recipe, steps):
    with pytest.raises(Killed):
        run_proposal(steps["path"], make_recipe(), tmp_path, Log(stop_at=2))
    before = read_metrics(tmp_path)[-1]
    final = run_proposal(steps["path"], make_recipe(), tmp_path, Log())
    assert (before["images_seen"], final["images_seen"]) == (40, 60)
    assert final["seconds"] >= before["seconds"]


def test_short_words_go_on_where_they_were(tmp_path, make_recipe, steps):
    recipe = make_recipe(
        {"training.short_words": {"max_length": 2, "epochs": 2}, "training.epoch_images": 12}
    )
    run_proposal(steps["train"], recipe, tmp_path / "whole", Log())
    for _ in range(2):
        with pytest.raises(Killed):
            run_proposal(steps["train"], recipe, tmp_path / "stopped", Log(stop_at=1))
    run_proposal(steps["train"], recipe, tmp_path / "stopped", Log())
    assert_same_end(tmp_path / "stopped", tmp_path / "whole")


def test_patience_that_has_run_out_stays_so(tmp_path, monkeypatch, make_recipe, steps):
    # The rate is next to nothing: no epoch is better than the first.
    recipe = make_recipe(
        {"training.epochs": 6, "training.patience": 2, "training.optimizer": {"name": "adam", "lr": 1e-12}}
    )
    MOMENTS["before the result"](monkeypatch)
    with pytest.raises(Killed):
        run_proposal(steps["train"], recipe, tmp_path, Log())
    count = len(read_metrics(tmp_path))
    assert 2 < count < 6
    log = Log()
    run_proposal(steps["train"], recipe, tmp_path, log)
    assert [final for _, final in log.reports] == [True]
    assert len(read_metrics(tmp_path)) == count


@pytest.mark.parametrize("step", ["operators", "train"])
def test_workers_change_nothing(tmp_path, make_recipe, steps, step):
    changes = {
        "training.epochs": 2,
        "search.operators.optimizer": {"name": "adam"},
    }
    run_proposal(steps[step], make_recipe(changes), tmp_path / "none", Log())
    one = make_recipe({**changes, "data.workers": 1})
    with pytest.raises(Killed):
        run_proposal(steps[step], one, tmp_path / "one", Log(stop_at=1))
    run_proposal(steps[step], one, tmp_path / "one", Log())
    assert_same_end(tmp_path / "one", tmp_path / "none")


def test_a_damaged_checkpoint_costs_an_epoch(tmp_path, make_recipe, proposal, whole, capsys):
    """One is kept before the last; without it the trial starts again. Either way it ends as ever."""
    for stop, first in ((2, 1), (1, 0)):
        folder = tmp_path / f"stopped-{stop}"
        with pytest.raises(Killed):
            run_proposal(proposal, make_recipe(), folder, Log(stop_at=stop))
        content = (folder / LAST).read_bytes()
        (folder / LAST).write_bytes(content[: len(content) // 2])
        log = Log()
        run_proposal(proposal, make_recipe(), folder, log)
        assert [metrics["epoch"] for metrics, final in log.reports if not final] == list(range(first, 3))
        assert_same_end(folder, whole)
        goes_on = "goes on from the checkpoint before it" if first else "starts again from its beginning"
        assert f"{folder / LAST} is damaged: the trial {goes_on}" in capsys.readouterr().out


def test_a_repeated_trial_goes_on_where_the_first_was_killed(tmp_path, make_recipe, proposal, whole):
    with pytest.raises(Killed):
        run_proposal(proposal, make_recipe(), tmp_path / "first", Log(stop_at=2))
    (tmp_path / "again").mkdir()
    assert continuing.take_over(tmp_path / "again", [tmp_path / "first"]) == tmp_path / "first"
    log = Log()
    run_proposal(proposal, make_recipe(), tmp_path / "again", log)
    assert [metrics["epoch"] for metrics, _ in log.reports] == [2, log.reports[-1][0]["epoch"]]
    # Its first two epochs are counted by the trial that it repeats.
    counted = json.loads((tmp_path / "again" / CLIMBED).read_text())
    assert counted["images_seen"] == read_metrics(tmp_path / "first")[-1]["images_seen"] > 0
    told = [read_trial(tmp_path / name, name, {}, "failed") for name in ("first", "again")]
    assert sum(trial.spent("images_seen") for trial in told) == read_metrics(whole)[-1]["images_seen"]
    (tmp_path / "again" / CLIMBED).unlink()
    assert_same_end(tmp_path / "again", whole)


def test_a_trial_that_still_runs_is_not_repeated(tmp_path):
    (tmp_path / "again").mkdir()
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / LAST).touch()
    with hold(tmp_path / "first" / LOCK):
        assert continuing.take_over(tmp_path / "again", [tmp_path / "first"]) is None
    assert list((tmp_path / "again").iterdir()) == []


def test_what_broke_down_by_itself_is_repeated_from_its_beginning(tmp_path, make_recipe, steps):
    with pytest.raises(Killed):
        run_proposal(steps["path"], make_recipe(), tmp_path / "first", Log(stop_at=2))
    (tmp_path / "first" / continuing.FAULT).touch()
    (tmp_path / "again").mkdir()
    assert continuing.take_over(tmp_path / "again", [tmp_path / "first", tmp_path / "none"]) is None
    assert list((tmp_path / "again").iterdir()) == []


@pytest.mark.parametrize("moves", [0, 1, 2, 3, 4, None])
def test_what_is_taken_over_counts_as_done_once_all_of_it_is_there(tmp_path, monkeypatch, moves):
    """A ranking that died before it told its result, and whose repetition is killed at every moment."""
    names = {"finalist-1.ckpt", "ranked.jsonl", LAST, "result.json"}
    for place in ("first", "again"):
        (tmp_path / place).mkdir()
    for name in names:
        (tmp_path / "first" / name).write_text(name)
    replace, done = os.replace, []

    def mortal(*paths: Any) -> None:
        if len(done) == moves:
            raise Killed
        done.append(paths)
        replace(*paths)

    monkeypatch.setattr(continuing.os, "replace", mortal)
    with contextlib.suppress(Killed):
        continuing.take_over(tmp_path / "again", [tmp_path / "first"])
    taken = {path.name for path in (tmp_path / "again").iterdir() if not path.name.startswith(".")}
    assert len(taken) == (5 if moves is None else moves)
    assert "result.json" not in taken or taken == {CLIMBED, *names}


def test_ctrl_c_comes_through(tmp_path, make_recipe, steps):
    before = signal.getsignal(signal.SIGINT)

    def report(metrics: dict[str, Any], final: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_proposal(steps["path"], make_recipe(), tmp_path, report)
    assert signal.getsignal(signal.SIGINT) is before
    log = Log()
    run_proposal(steps["path"], make_recipe(), tmp_path, log)
    assert [metrics["epoch"] for metrics, _ in log.reports] == [1, 2, 2]
