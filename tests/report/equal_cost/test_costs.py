"""AutoSTR beside random search at equal cost, against orders counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from autostr_nni.report.equal_cost.costs import cost_so_far


def search(strategy: str, accuracies: list[float], before: float = 0.0) -> dict[str, Any]:
    """A search whose nets cost 10 images and 20 seconds each, after steps that cost ``before`` images."""
    nets, trials = [], []
    started = {"images": 0.0, "seconds": 0.0}  # none goes on from another trial's checkpoint
    if before:
        trials.append({"trial": "path-A", "step": "path", "images": before, "seconds": 2 * before})
    for place, accuracy in enumerate(accuracies):
        spent = {"images": 10.0, "seconds": 20.0}
        epochs = [{**spent, "accuracy": accuracy}]
        net = {
            "trial": f"t{place}",
            "status": "done",
            "accuracy": accuracy,
            "before": started,
            "largest": False,
        }
        nets.append({**net, **spent, "epochs": epochs})
        trials.append({"trial": f"t{place}", "step": "train", **spent})
    return {
        "key": strategy,
        "strategy": strategy,
        "baseline": strategy == "random",
        "compared": strategy != "random",
        "nets": nets,
        "trials": trials,
        "best": nets[0],
    }


def equal(ours: dict[str, Any], theirs: dict[str, Any], unit: str = "images") -> dict[str, Any]:
    (found,) = cost_so_far([ours, theirs], 6000, 0)[unit]["equal_cost"]
    return dict(found)


@pytest.mark.parametrize(("unit", "at"), [("images", 20.0), ("seconds", 40.0)])
def test_the_cost_is_the_cheaper_ones_and_all_steps_count(unit: str, at: float) -> None:
    """Two of three nets in 20 images: of nine orders the best is below 0.6 in one, and 0.6 in three."""
    found = equal(search("two-step", [0.6], before=10.0), search("random", [0.5, 0.6, 0.7]), unit)
    assert (found["at"], found["accuracy"], found["random_nets"]) == (at, 0.6, 3)
    assert found["wins"] == pytest.approx(1 / 9 + 3 / 9 / 2, abs=0.02)
    assert (found["random_low"], found["random_median"], found["random_high"]) == (0.5, 0.7, 0.7)


def test_ties_count_half() -> None:
    assert equal(search("two-step", [0.6]), search("random", [0.6]))["wins"] == 0.5


def test_what_is_reached_after_that_cost_does_not_count() -> None:
    found = equal(search("two-step", [0.6], before=30.0), search("random", [0.5, 0.7]))
    assert (found["at"], found["accuracy"], found["wins"]) == (20.0, None, 0.0)


def test_a_promoted_net_costs_what_it_added() -> None:
    """It had cost 6 of its 10 images on lower rungs, which are those trials' own."""
    climbed = search("halving", [0.6])
    climbed["nets"][0] |= {"before": {"images": 6.0, "seconds": 12.0}, "images": 4.0, "seconds": 8.0}
    climbed["trials"].insert(0, {"trial": "r", "step": "rung", "images": 6.0, "seconds": 12.0})
    found = equal(climbed, search("random", [0.5, 0.7]))
    assert (found["at"], found["accuracy"]) == (10.0, 0.6)
