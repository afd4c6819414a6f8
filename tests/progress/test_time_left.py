"""What is left of a search: by planned images, by trials of the same step, and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autostr_nni import strategies
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.progress.estimate import (
    ALONE,
    DONE,
    FAILED,
    RUNNING,
    Left,
    Seen,
    in_words,
    makespan,
    time_left,
)
from autostr_nni.progress.plan import OPERATORS, PATH, TRAIN, Plan, Work, macs_of, plan_of
from autostr_nni.progress.state import seen_in, under_way
from autostr_nni.recipe import Recipe, load_recipe, recipe_from
from autostr_nni.search_spaces.architecture import Architecture

# An image of 32 times the MACs costs four times as much.
WORK = {"path": Work(100, 4, 2.0), "operators": Work(300, 3, 64.0), "train": Work(1000, 10, 2.0)}
PLAN = Plan((("path", 4), ("operators", 1), ("train", 1)), WORK, 2)
PATHS = Plan((("path", 4),), WORK, 2)


def path(number: int, status: str, images: float = 0, seconds: float = 0, since: float = 0) -> Seen:
    return Seen(f"path {number}", "path", status, images, seconds, since)


def seconds(plan: Plan, trials: list[Seen]) -> float:
    left = time_left(plan, trials)
    assert left is not None
    return left.seconds


def test_nothing_to_judge_by() -> None:
    assert time_left(PLAN, []) is None
    assert time_left(PLAN, [path(0, RUNNING, since=50), path(1, RUNNING, since=50)]) is None


def test_steps_that_were_not_seen_cost_what_their_macs_tell() -> None:
    """0.2 s an image: two paths beside each other, then 300 images at four times that and 1000 at as much,
    each trial alone."""
    done = [path(0, DONE, 100, 20), path(1, DONE, 100, 20)]
    assert seconds(PLAN, done) == pytest.approx(20 + ALONE * (300 * 0.8 + 1000 * 0.2))


def test_nets_of_a_step_cost_what_their_own_macs_tell() -> None:
    plan = Plan((("train", 3),), {"train": Work(100, 4, 2.0)})
    small = Seen("a", "train", DONE, 100, 30, macs_m=2 / 32)
    assert seconds(plan, [small]) == pytest.approx(2 * 120)  # two of the mean size
    large = Seen("b", "train", RUNNING, since=5, macs_m=2.0 * 32)
    assert seconds(plan, [small, large]) == pytest.approx(480 - 5 + 120)


def test_the_net_to_come_is_judged_by_what_the_operator_search_would_find() -> None:
    """Alone, by the plan it costs as much as a path's; at a 32nd of those MACs a quarter."""
    trials = [path(number, DONE, 100, 20) for number in range(4)]
    for found, cost in ((None, 150), (2.0 / 32, 37.5)):
        searched = Seen("o", "operators", DONE, 300, 180, macs_m=64.0, found_m=found)
        assert seconds(PLAN, [*trials, searched]) == pytest.approx(cost)


def test_running_trials_count_what_they_have_behind_them() -> None:
    """Half of the images, and 5 s after them, of 40 s: 15 s are left, and 2 paths wait for a place."""
    running = [path(0, RUNNING, 50, 20, 5), path(1, RUNNING, 50, 20, 5)]
    assert seconds(PATHS, running) == pytest.approx(15 + 40)


def test_a_trial_that_goes_on_where_another_was_cut_short() -> None:
    """It has half of its step behind it from that one: what it does itself is the other half."""
    running = Seen("path 0", "path", RUNNING, 25, 10, 5, inherited=50)
    assert seconds(Plan((("path", 1),), WORK), [running]) == pytest.approx(5)
    assert under_way(PATHS, [running]) == " (path, epoch 4 of 4, 2.5 images/s)"
    done = Seen("path 0", "path", DONE, 50, 20, inherited=50)
    assert seconds(Plan((("path", 2),), WORK), [done]) == pytest.approx(40)
    assert seconds(Plan((("path", 2),), WORK), [done, path(1, RUNNING, 50, 20)]) == pytest.approx(20)
    all_of_it = Seen("path 0", "path", DONE, 0, 3, inherited=100)  # it only told the result
    assert seconds(Plan((("path", 2),), WORK), [all_of_it, path(1, RUNNING, 50, 20)]) == pytest.approx(20)


@pytest.mark.parametrize("below", [0, 200])
def test_what_was_inherited_is_read_from_the_trials_folder(tmp_path: Path, below: int) -> None:
    """Of a promoted net that is repeated, too: the rungs below are not of its step."""
    work = {"train": Work(500 - below, 5, 2.0, below // 100)}
    for name, content in (("climbed", {"images_seen": 400}), ("pulse", {"images_seen": 450, "seconds": 45})):
        (tmp_path / f"{name}.json").write_text(json.dumps({"seconds": 40, **content}))
    plan = Plan((("train", 1),), work)
    found = seen_in(tmp_path, plan, "a", {"step": "train"}, RUNNING, 0.0, None)
    assert (found.images, found.inherited, found.seconds) == (50, 400 - below, 5)
    assert under_way(plan, [found]) == " (train, epoch 5 of 5, 10 images/s)"


def test_a_trial_that_is_slower_than_others_is_judged_by_itself() -> None:
    done = [path(number, DONE, 100, 10) for number in range(3)]
    assert seconds(PATHS, [*done, path(3, RUNNING, 50, 40)]) == pytest.approx(40)
    assert seconds(PATHS, [*done, path(3, RUNNING, 5, 9)]) == pytest.approx(9.5)  # too early to tell


def test_longer_than_expected_is_said_and_never_negative() -> None:
    one = Plan((("path", 2),), WORK, 1)
    done = path(0, DONE, 100, 40)  # 10 s an epoch
    for since, late in ((9.0, False), (16.0, False), (29.0, False), (31.0, True), (500.0, True)):
        left = time_left(one, [done, path(1, RUNNING, since=since)])
        assert left is not None and left.late == late and left.seconds >= 0
    waited = time_left(one, [done, path(1, RUNNING, since=100.0)])
    assert waited == Left(300.0, True)  # four epochs, of which the first has taken 100 s already
    assert time_left(one, [done, path(1, RUNNING, 300, 90, 4)]) == Left(0.0)  # more images than planned
    after = time_left(one, [done, path(1, RUNNING, 100, 40, 420)])
    assert after == Left(0.0, True) and in_words(after) == "longer than expected"


def test_a_search_that_has_ended_needs_nothing() -> None:
    trials = [path(number, DONE, 100, 20) for number in range(4)]
    trials += [Seen("o", "operators", DONE, 300, 90), Seen("t", "train", RUNNING, 100, 30, 10)]
    assert seconds(PLAN, trials) == pytest.approx(300 - 30 - 10)
    assert time_left(PLAN, [*trials[:-1], Seen("t", "train", DONE, 1000, 290)]) == Left(0.0)


def test_failed_trials_are_run_once_more_and_then_no_more() -> None:
    one = Plan((("path", 3),), WORK, 1)
    once = [path(0, DONE, 100, 20), path(1, FAILED, 30, 6)]
    assert seconds(one, once) == pytest.approx(40)  # the repetition, and the third
    assert seconds(one, [*once, path(1, FAILED, 30, 6)]) == pytest.approx(20)
    assert seconds(one, [*once, path(1, DONE, 100, 20)]) == pytest.approx(20)


def test_without_images_whole_trials_are_what_there_is_to_judge_by() -> None:
    foreign = Plan((("", 5),))
    assert time_left(foreign, [Seen("a", "", RUNNING, since=3)]) is None
    assert seconds(foreign, [Seen("a", "", DONE, 0, 4), Seen("b", "", DONE, 0, 6)]) == 15
    # A step whose images are not known, and which has not run: no figure for the whole.
    unknown = Plan((("path", 1), ("train", 1)), {"path": WORK["path"]})
    assert time_left(unknown, [path(0, DONE, 10, 2)]) is None


def test_several_at_a_time() -> None:
    assert makespan([3, 3, 3], 2) == 6
    assert makespan([5, 1, 1, 1], 2) == 5
    assert makespan([], 2) == 0


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (None, "time left ?"),
        (Left(0), "under 1 min left"),
        (Left(59), "under 1 min left"),
        (Left(59, late=True), "longer than expected"),
        (Left(310), "about 5 min left"),
        (Left(310, late=True), "about 5 min left, longer than expected"),
        (Left(7500), "about 2.1 h left"),
        (Left(400_000), "about 4.6 days left"),
    ],
)
def test_in_words(left: Left | None, words: str) -> None:
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
    images = {step: work.images for step, work in plan.work.items()}
    assert images == {"path": 120, "operators": pytest.approx(272), "train": 1000}
    assert {step: work.epochs for step, work in plan.work.items()} == {"path": 3, "operators": 3, "train": 10}
    assert plan_of(strategies.build("random", made), made).steps == (("train", 10),)
    alone = recipe(tmp_path, search={"path": {"paths": ["ABABB"]}})
    assert plan_of(strategies.build("two-step", alone), alone).steps == (("operators", 1), ("train", 1))


def test_macs_of_each_kind_of_net(tmp_path: Path) -> None:
    """Those of step 1 with its operation, of step 2 on average over its draws, of step 3 the net's own."""
    made = recipe(tmp_path, search={"operators": {"operations": ["k3e1", "k5e6"]}})
    space = made.space()
    ends = []
    for operation in space.operations:
        net = space.default_architecture(space.typical_paths()[0], operation)
        ends.append(macs_of({"step": TRAIN, **net.to_parameters()}, made))
    on_path = {"stride_path": space.typical_paths()[0].text(space.stage_layers)}
    assert macs_of({"step": OPERATORS, **on_path}, made) == pytest.approx(sum(ends) / 2)
    small = recipe(tmp_path, search={"path": {"default_operation": "k3e1"}})
    assert macs_of({"step": PATH, **on_path}, small) == pytest.approx(min(ends))
    assert macs_of({"step": PATH, **on_path}, made) > 5 * min(ends)  # res3
    drawn = strategies.build("random", made)
    mean = sum(macs_of(trial.parameters, made) for trial in drawn.trials) / 10
    assert plan_of(
        drawn,
        recipe(
            tmp_path,
            training={"epoch_images": 1},
            search={
                "path": {"epoch_images": 1},
                "operators": {"epoch_images": 1, "operations": ["k3e1", "k5e6"]},
            },
        ),
    ).work[TRAIN].macs_m == pytest.approx(mean)


def test_a_budget_that_is_not_of_macs_says_nothing_of_them(tmp_path: Path) -> None:
    few = {"path": {"epoch_images": 1}, "operators": {"epoch_images": 1}}
    plain, counted = (
        recipe(tmp_path, training={"epoch_images": 1}, search={**few, **cost})
        for cost in ({}, {"cost": {"kind": "parameters", "budget": 2.0}})
    )
    for name in ("two-step", "one-shot"):
        plans = [plan_of(strategies.build(name, made), made).work for made in (plain, counted)]
        assert {step: work.macs_m for step, work in plans[0].items()} == {
            step: work.macs_m for step, work in plans[1].items()
        }


def test_whole_sets_are_counted(tmp_path: Path) -> None:
    made = recipe(tmp_path, training={"epochs": 2})
    assert plan_of(strategies.build("random", made), made).work == {}  # no set there
    write_lmdb(tmp_path / "a", [(b"x", "w")] * 3)
    write_lmdb(tmp_path / "deep/b", [(b"x", "w")] * 4)
    assert plan_of(strategies.build("random", made), made).work["train"].images == 14


# Milliseconds for an image that the two steps took on an older quickstart, of numbers, on two cores, by
# themselves and beside much other work; and its counts.
QUICKSTART = [
    {"path": 1.09, "operators": 1.33, "train": 0.78},
    {"path": 1.57, "operators": 1.52, "train": 0.91},
    {"path": 2.87, "operators": 4.68, "train": 2.38},
]


NUMBERS: dict[str, dict[str, Any]] = {
    "path": {"epochs": 3, "epoch_images": 4000},
    "operators": {"epoch_images": 8000, "budget_m": 8.0, "g_m": 8.0, "beta": 0.6},
}


@pytest.mark.parametrize("milliseconds", QUICKSTART)
def test_the_quickstarts_estimate_is_within_a_factor_of_two(milliseconds: dict[str, float]) -> None:
    """From the first path that is done on, at every second; below a minute it need only say so."""
    made = load_recipe(Path(__file__).parents[2] / "examples/quickstart/recipe.yml")
    search = {step: getattr(made.search, step).model_copy(update=own) for step, own in NUMBERS.items()}
    training = made.training.model_copy(update={"epochs": 10, "epoch_images": 4000})
    made = made.model_copy(update={"search": made.search.model_copy(update=search), "training": training})
    strategy = strategies.build("two-step", made)
    plan = plan_of(strategy, made, 2)
    path = strategy.trials[0].parameters["stride_path"]
    net = Architecture.parse(f"{path}:k3e1,skip,k5e1,skip,k3e1,skip,k5e1,skip,k5e1,k5e1", made.space())
    nets = [trial.parameters for trial in strategy.trials]
    nets += [{"step": "operators", "stride_path": path}, {"step": "train", **net.to_parameters()}]
    begun: list[tuple[dict[str, str], float, float]] = []  # parameters, begin and end of the twelve trials
    for number, parameters in enumerate(nets):
        step = parameters["step"]
        before = begun[number - 2 : number - 1] if number < 10 else begun  # paths run two at a time
        start = max((end for _, _, end in before), default=0.0) if number > 1 else 0.0
        begun.append((parameters, start, start + 0.6 + milliseconds[step] * plan.work[step].images / 1000))
    end = begun[-1][2]
    told = 0
    for now in range(int(begun[0][2]) + 1, int(end)):
        seen = []
        for parameters, start, stop in begun:
            if start <= now:
                share = min(
                    1.0, max(0, now - start - 0.6) // 5 * 5 / (stop - start - 0.6)
                )  # a pulse every 5 s
                spent = share * (stop - start - 0.6)
                status = DONE if now >= stop else RUNNING
                images = plan.work[parameters["step"]].images * (1.0 if status == DONE else share)
                since = 0.0 if status == DONE else now - start - spent
                seconds = stop - start if status == DONE else spent
                macs = plan.macs_of(parameters)
                seen.append(Seen(str(parameters), parameters["step"], status, images, seconds, since, macs))
        left = time_left(plan, seen)
        assert left is not None and not left.late
        truth = end - now
        if truth >= 60:
            told += 1
            assert truth / 2 < left.seconds < truth * 2, f"{left.seconds:.0f} s for {truth:.0f} at {now}"
        else:
            assert left.seconds < 120
    assert told > 30
