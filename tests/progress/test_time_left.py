"""What is left of a search: by planned images, by trials of the same step, and in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from autostr_nni import strategies
from autostr_nni.data.lmdb_io import write_lmdb
from autostr_nni.progress.estimate import DONE, FAILED, RUNNING, UNSEEN, Seen, in_words, makespan, time_left
from autostr_nni.progress.plan import Plan, plan_of
from autostr_nni.recipe import Recipe, recipe_from

PLAN = Plan(
    (("path", 4), ("operators", 1), ("train", 1)), {"path": 100.0, "operators": 300.0, "train": 1000.0}, 2
)


def path(number: int, status: str, images: float = 0, seconds: float = 0, since: float = 0) -> Seen:
    return Seen(f"path {number}", "path", status, images, seconds, since)


def test_nothing_to_judge_by() -> None:
    assert time_left(PLAN, []) is None
    assert time_left(PLAN, [path(0, RUNNING, since=50), path(1, RUNNING, since=50)]) is None


def test_steps_that_were_not_seen_make_a_range() -> None:
    """0.2 s per image: two paths beside each other, then 300 and 1000 images one after the other."""
    found = time_left(PLAN, [path(0, DONE, 100, 20), path(1, DONE, 100, 20)])
    assert found == pytest.approx(tuple(20 + 0.2 * 1300 * factor for factor in UNSEEN))


def test_running_trials_count_what_they_have_behind_them() -> None:
    """Half of the images, and 5 s after them, of 40 s: 15 s are left, and 2 paths wait for a place."""
    one = Plan((("path", 4),), {"path": 100.0}, 2)
    running = [path(0, RUNNING, 50, 20, 5), path(1, RUNNING, 50, 20, 5)]
    assert time_left(one, running) == pytest.approx((15 + 40, 15 + 40))


def test_an_overdue_trial_is_never_negative() -> None:
    one = Plan((("path", 2),), {"path": 100.0}, 1)
    done = path(0, DONE, 100, 10)
    for since in (9.0, 10.0, 500.0):
        left = time_left(one, [done, path(1, RUNNING, since=since)])
        assert left == pytest.approx((max(0.0, 10 - since),) * 2)
    assert time_left(one, [done, path(1, RUNNING, 300, 90, 4)]) == (0, 0)  # more images than were planned


def test_once_every_step_was_seen_there_is_one_figure() -> None:
    trials = [path(number, DONE, 100, 20) for number in range(4)]
    trials += [Seen("o", "operators", DONE, 300, 90), Seen("t", "train", RUNNING, 100, 30, 10)]
    assert time_left(PLAN, trials) == pytest.approx((300 - 30 - 10,) * 2)
    ended = [*trials[:-1], Seen("t", "train", DONE, 1000, 290)]
    assert time_left(PLAN, ended) == (0, 0)


def test_failed_trials_are_run_once_more_and_then_no_more() -> None:
    one = Plan((("path", 3),), {"path": 100.0}, 1)
    once = [path(0, DONE, 100, 20), path(1, FAILED, 30, 6)]
    assert time_left(one, once) == pytest.approx((40, 40))  # the repetition, and the third
    assert time_left(one, [*once, path(1, FAILED, 30, 6)]) == pytest.approx((20, 20))
    assert time_left(one, [*once, path(1, DONE, 100, 20)]) == pytest.approx((20, 20))


def test_without_images_whole_trials_are_what_there_is_to_judge_by() -> None:
    foreign = Plan((("", 5),))
    assert time_left(foreign, [Seen("a", "", RUNNING, since=3)]) is None
    assert time_left(foreign, [Seen("a", "", DONE, 0, 4), Seen("b", "", DONE, 0, 6)]) == (15, 15)
    # A step whose images are not known, and which has not run: no figure for the whole.
    unknown = Plan((("path", 1), ("train", 1)), {"path": 10.0})
    assert time_left(unknown, [path(0, DONE, 10, 2)]) is None


def test_several_at_a_time() -> None:
    assert makespan([3, 3, 3], 2) == 6
    assert makespan([5, 1, 1, 1], 2) == 5
    assert makespan([], 2) == 0


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (None, "time left ?"),
        ((0, 0), "under 1 min left"),
        ((5, 59), "under 1 min left"),
        ((20, 120), "up to 2 min left"),
        ((310, 310), "about 5 min left"),
        ((300, 540), "5 to 9 min left"),
        ((2400, 7500), "40 min to 2.1 h left"),
        ((7200, 36000), "2.0 to 10.0 h left"),
        ((200_000, 400_000), "2.3 to 4.6 days left"),
    ],
)
def test_in_words(left: tuple[float, float] | None, words: str) -> None:
    assert in_words(left) == words


def recipe(folder: Path, **extra: object) -> Recipe:
    content = {"data": {"train": [str(folder)], "validation": [str(folder)]}, **extra}
    return recipe_from(content, folder)


def test_the_plan_of_a_recipe(tmp_path: Path) -> None:
    search = {
        "path": {"epochs": 3, "epoch_images": 40, "paths": ["AABBB", "ABABB"]},
        "operators": {"warmup_epochs": 1, "epochs": 2, "epoch_images": 80, "arch_every": 5},
    }
    made = recipe(tmp_path, search=search, training={"epochs": 10, "epoch_images": 100})
    plan = plan_of(strategies.build("two-step", made), made, 2)
    assert plan.steps == (("path", 2), ("operators", 1), ("train", 1)) and plan.trials == 4
    # An operator search on the quickstart's counts reported 80 + 160 + 32 images, hundredfold.
    assert plan.images == {"path": 120, "operators": pytest.approx(272), "train": 1000}
    assert plan_of(strategies.build("random", made), made).steps == (("train", 10),)
    alone = recipe(tmp_path, search={"path": {"paths": ["ABABB"]}})
    assert plan_of(strategies.build("two-step", alone), alone).steps == (("operators", 1), ("train", 1))


def test_whole_sets_are_counted(tmp_path: Path) -> None:
    made = recipe(tmp_path, training={"epochs": 2})
    assert plan_of(strategies.build("random", made), made).images == {}  # no set there
    write_lmdb(tmp_path / "a", [(b"x", "w")] * 3)
    write_lmdb(tmp_path / "deep/b", [(b"x", "w")] * 4)
    assert plan_of(strategies.build("random", made), made).images["train"] == 14
