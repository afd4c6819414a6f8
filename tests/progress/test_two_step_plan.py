"""What a two-step search at a small budget has before it: rungs of paths, of nets, and the rest of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autostr_nni import strategies
from autostr_nni.progress.estimate import DONE, RUNNING, Seen, time_left
from autostr_nni.progress.plan import Plan, plan_of
from autostr_nni.progress.state import state_line
from autostr_nni.recipe import recipe_from

STEPS = (("path rung 1", 9), ("path rung 2", 3), ("operators", 1), ("rung 1", 6), ("rung 2", 2), ("train", 1))


def plan(folder: Path, **search: object) -> Plan:
    made = recipe_from(
        {
            "data": {"train": [str(folder)], "validation": [str(folder)]},
            "training": {"epochs": 6, "epoch_images": 100},
            "search": {
                "path": {"paths": 9, "epochs": 3, "epoch_images": 40, "rungs": [1, 3]},
                "operators": {"warmup_epochs": 1, "epochs": 1, "epoch_images": 50, "finalists": 6},
                "halving": {"rungs": [1, 2, 6], "min_m": 0},
                **search,
            },
        },
        folder,
    )
    return plan_of(strategies.build("two-step", made), made)


def test_each_trial_counts_its_own_images(tmp_path: Path) -> None:
    """A path that goes on has seen 40 of its 120 images already, and the net 200 of its 600."""
    made = plan(tmp_path)
    assert made.steps == STEPS
    told = {step: (work.before, work.epochs, work.images) for step, work in made.work.items()}
    assert told.pop("operators")[2] == pytest.approx(110)
    assert told == {
        "path rung 1": (0, 1, 40),
        "path rung 2": (1, 3, 80),
        "rung 1": (0, 1, 100),
        "rung 2": (1, 2, 100),
        "train": (2, 6, 400),
    }


def test_a_proxys_winner_is_trained_from_scratch(tmp_path: Path) -> None:
    made = plan(tmp_path, proxy={"translator": "ctc"})
    assert made.steps == STEPS and made.work["train"].images == 600


def test_paths_and_nets_at_the_same_height_are_told_apart(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert made.step_of({"step": "path", "epochs": 1}) == "path rung 1"
    assert made.step_of({"step": "rung", "epochs": 1}) == "rung 1"
    assert made.step_of({"step": "train"}) == "train"
    assert made.stages() == [[step] for step in STEPS]  # none runs beside the one before


def test_the_time_left_is_that_of_the_images_left(tmp_path: Path) -> None:
    """At 0.1 s an image of any net: two paths, those that go on, the operators, nets, and the rest of one."""
    made = plan(tmp_path)
    made = replace(made, work={step: replace(work, macs_m=1.0) for step, work in made.work.items()})
    trials = [Seen(f"path {n}", "path rung 1", DONE, 40, 4.0) for n in range(7)]
    trials += [Seen(f"path {n}", "path rung 1", RUNNING, 20, 2.0) for n in (7, 8)]
    left = time_left(made, trials)
    assert left is not None and left.at_most
    assert left.seconds == pytest.approx(0.1 * (2 * 20 + 3 * 80 + 110 + 6 * 100 + 2 * 100 + 400))
    line = state_line(made, trials, [])
    assert line.startswith(
        "7 of about 22 trials done, 2 running (path rung 1, epoch 1 of 1, 20 images/s), at"
    )
