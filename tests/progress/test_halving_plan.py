"""What a halving search has before it: all of its rungs, within its budget of epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

from autostr_nni import strategies
from autostr_nni.progress.estimate import DONE, RUNNING, Seen, in_words, time_left
from autostr_nni.progress.plan import plan_of
from autostr_nni.progress.state import seen_in, state_line
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.runs.layout import CLIMBED
from autostr_nni.runs.records import append_metrics


def recipe(folder: Path, **search: object) -> Recipe:
    content = {
        "data": {"train": [str(folder)], "validation": [str(folder)]},
        "training": {"epochs": 9, "epoch_images": 100},
        "search": {"halving": {"nets": 3, "rungs": [2, 4, 9], "reduction": 2}, **search},
    }
    return recipe_from(content, folder)


def test_the_plan_of_a_halving_search_knows_all_rungs(tmp_path: Path) -> None:
    """Of seven nets three go on after 2 epochs and one after 4, each from where it stood: 25 of 27 epochs."""
    made = recipe(tmp_path)
    plan = plan_of(strategies.build("halving", made), made, 2)
    assert plan.steps == (("rung 1", 7), ("rung 2", 3), ("train", 1))
    assert plan.stages() == [list(plan.steps)]
    told = {step: (work.before, work.epochs, work.images) for step, work in plan.work.items()}
    assert told == {"rung 1": (0, 2, 200), "rung 2": (2, 4, 200), "train": (4, 9, 500)}
    assert plan.work["rung 2"].macs_m == plan.work["train"].macs_m == plan.work["rung 1"].macs_m
    proxy = recipe(tmp_path, proxy={"translator": "ctc"})
    steps = plan_of(strategies.build("halving", proxy), proxy).steps
    stages = plan_of(strategies.build("halving", proxy), proxy).stages()
    assert [len(stage) for stage in stages] == [3, 1]  # its winner is trained alone
    assert [step for step, _ in steps] == ["rung 1", "rung 2", "rung 3", "train"]
    assert plan_of(strategies.build("halving", proxy), proxy).work["train"].images == 900


def test_rungs_run_beside_each_other_and_end_at_most_when_the_budget_does(tmp_path: Path) -> None:
    """At 0.1 s an image: 7 x 200 + 3 x 200 + 500 images, by two."""
    made = recipe(tmp_path)
    plan = plan_of(strategies.build("halving", made), made, 2)
    macs = plan.work["rung 1"].macs_m
    trials = [Seen("a", "rung 1", DONE, 200, 20, macs_m=macs), Seen("b", "rung 1", RUNNING, 100, 10, 0, macs)]
    left = time_left(plan, trials)
    assert left is not None and left.at_most
    assert left.seconds == pytest.approx(0.1 * (100 + 5 * 200 + 3 * 200 + 500) / 2, rel=0.2)
    assert in_words(left).startswith("at most about 2 min left")


def test_the_state_of_a_halving_search(tmp_path: Path) -> None:
    """A promoted net's images and seconds are its own; those of the rung below count there."""
    made = recipe(tmp_path)
    strategy = strategies.build("halving", made)
    plan = plan_of(strategy, made, 2)
    net = {
        key: value for key, value in strategy.trials[0].parameters.items() if key not in ("step", "epochs")
    }
    for name in ("low", "high"):
        (tmp_path / name).mkdir()
    append_metrics(tmp_path / "low", {"images_seen": 200, "seconds": 20.0})
    append_metrics(tmp_path / "high", {"images_seen": 300, "seconds": 32.0})
    (tmp_path / "high" / CLIMBED).write_text('{"images_seen": 200, "seconds": 20.0}')
    low = seen_in(tmp_path / "low", plan, "a", {"step": "rung", "epochs": 2, **net}, DONE, 0.0, None)
    high = seen_in(tmp_path / "high", plan, "b", {"step": "rung", "epochs": 4, **net}, RUNNING, 0.0, None)
    top = seen_in(tmp_path / "top", plan, "c", {"step": "train", **net}, RUNNING, 0.0, None)
    assert (low.step, low.images, low.seconds) == ("rung 1", 200, 20)
    assert (high.step, high.images, high.seconds) == ("rung 2", 100, 12)
    line = state_line(plan, [low, high, top], [])
    under_way = "rung 2 and train, epoch 4 to 5 of 4 to 9, 8.3 images/s"
    assert line.startswith(f"1 of about 11 trials done, 2 running ({under_way}), at most about ")


def test_a_search_that_has_ended_has_no_time_left(tmp_path: Path) -> None:
    """What was planned was an estimate: fewer nets climbed, and more were begun."""
    made = recipe(tmp_path)
    plan = plan_of(strategies.build("halving", made), made, 2)
    trials = [Seen(f"low {n}", "rung 1", DONE, 200, 20) for n in range(9)]
    trials += [Seen("high", "rung 2", DONE, 200, 20), Seen("top", "train", DONE, 500, 50)]
    assert state_line(plan, trials[1:], []) == "10 of about 11 trials done, 0 running, under 1 min left"
    assert state_line(plan, trials, []) == "11 of about 11 trials done, 0 running"
    assert state_line(plan, trials, [], finished=True) == "11 of 11 trials done, 0 running"
