"""Fronts in reports: hypervolumes beside random search's, by hand; drawn where they were asked for."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autostr_nni.cli.main import main
from autostr_nni.report.equal_cost.fronts import front_data
from autostr_nni.strategies.front import hypervolume

MakeSearch = Callable[..., Path]
OURS = [(1.0, 0.5), (3.0, 0.8)]
THEIRS = [(1.0, 0.4), (2.0, 0.6), (3.0, 0.7)]


def search(strategy: str, points: list[tuple[float, float]], before: float = 0.0) -> dict[str, Any]:
    """A search whose nets cost 10 images each, after steps that cost ``before`` images; it hands over all."""
    trials = [{"trial": "rung", "step": "rung", "images": before}] if before else []
    nets = []
    for place, (macs, accuracy) in enumerate(points):
        net = {"trial": f"t{place}", "status": "done", "largest": False, "macs_m": macs, "accuracy": accuracy}
        nets.append({**net, "images": 10.0})
        trials.append({"trial": f"t{place}", "step": "train", "images": 10.0})
    return {
        "key": strategy,
        "strategy": strategy,
        "baseline": strategy == "random",
        "compared": strategy != "random",
        "nets": nets,
        "trials": trials,
        "front": [net["trial"] for net in nets],
    }


def test_the_area_below_all_nets_that_were_trained() -> None:
    found = front_data([search("halving", OURS), search("random", THEIRS)], 10, 0)
    assert found is not None and (found["low"], found["high"], found["cost"]) == (1.0, 3.0, "macs_m")
    # Up to the dearest net: the nets at that cost have no width.
    assert found["hypervolume"] == pytest.approx({"halving": 0.5, "random": (0.4 + 0.6) / 2})


def test_random_search_at_equal_images() -> None:
    """20 images: our two nets, and two of three random ones, drawn with replacement."""
    found = front_data([search("halving", OURS), search("random", THEIRS)], 6000, 0)
    assert found is not None
    (row,) = found["equal_cost"]
    exact = [hypervolume(pair, 1.0, 3.0) for pair in itertools.product(THEIRS, repeat=2)]
    assert (row["at"], row["random_nets"]) == (20.0, 3) and row["hypervolume"] == pytest.approx(0.5)
    ahead = np.mean([(volume < 0.5 - 1e-9) + 0.5 * (abs(volume - 0.5) < 1e-9) for volume in exact])
    assert row["wins"] == pytest.approx(ahead, abs=0.02)
    assert row["random_median"] == np.percentile(exact, 50, method="inverted_cdf")
    assert (row["random_low"], row["random_high"]) == (min(exact), max(exact))


def test_only_what_was_trained_by_then_counts() -> None:
    """Steps before cost too: of 30 images in all, ours had spent 25 on rungs and ended no net by then."""
    found = front_data([search("halving", OURS, before=25.0), search("random", THEIRS)], 4000, 0)
    assert found is not None
    (row,) = found["equal_cost"]
    assert (row["at"], row["hypervolume"]) == (30.0, 0.0)
    assert row["wins"] == pytest.approx(1 / 27 / 2, abs=0.01)  # where all three draws are the dearest net


def test_a_failed_net_costs_and_adds_nothing() -> None:
    theirs = search("random", THEIRS)
    theirs["nets"][1] |= {"status": "failed", "accuracy": None, "macs_m": None}
    found = front_data([search("halving", OURS), theirs], 2000, 0)
    assert found is not None and found["hypervolume"]["random"] == pytest.approx(0.4)
    assert max(row["random_high"] for row in found["equal_cost"]) == pytest.approx(0.4)


def test_where_there_is_nothing_to_compare() -> None:
    alone = search("random", THEIRS)
    assert front_data([{**alone, "front": []}], 10, 0) is None  # not asked for
    assert front_data([search("random", [(2.0, 0.5), (2.0, 0.6)])], 10, 0) is None  # all at one cost
    found = front_data([alone], 10, 0)
    assert found is not None and found["equal_cost"] == []
    largest = search("random", [*THEIRS, (9.0, 0.9)])
    largest["nets"][3]["largest"] = True  # no draw of random search
    found = front_data([search("halving", OURS), largest], 500, 0)
    assert found is not None and found["equal_cost"][0]["random_nets"] == 3


def report(out: Path, *searches: Path) -> tuple[str, dict[str, Any]]:
    assert main(["report", *map(str, searches), "--out", str(out)]) == 0
    return (out / "report.html").read_text(), json.loads((out / "report.json").read_text())


def test_the_page_has_the_front(
    make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = [make_search(name, name, search__front={"size": 2}) for name in ("two-step", "random")]
    page, told = report(tmp_path / "report", *searches)
    two_step, other = told["searches"]
    # Of 20 % at 1, 50 % at 2 and 80 % at 4 M MACs the two that differ most.
    assert other["front"] == ["random-1", "random-2"] and other["best"]["trial"] == "random-2"
    assert two_step["front"] == ["train"]  # it has one net to give
    assert "20.0 %, 1<br>80.0 %, 4" in page and "Fronts of the searches" in page
    assert (tmp_path / "report/figures/front.svg").is_file()
    nets = csv.DictReader((tmp_path / "report/data/nets.csv").open())
    assert [net["front"] for net in nets] == ["True", "True", "True", "False"]
    rows = list(csv.DictReader((tmp_path / "report/data/front.csv").open()))
    assert len(rows) == 1 and float(rows[0]["at"]) == 3000.0
    said = "At 3\u202f000 images the front of two-step has the hypervolume 0.000, that of random"
    assert said in page and said in capsys.readouterr().out


def test_without_one_the_page_is_as_it_was(make_search: MakeSearch, tmp_path: Path) -> None:
    page, told = report(tmp_path / "report", make_search("random", "one"))
    assert told["searches"][0]["front"] == [] and told["spaces"][0]["front"] is None
    assert "Front" not in page.replace("Pareto front", "") and not list(tmp_path.glob("report/*/front.*"))
    nets = csv.DictReader((tmp_path / "report/data/nets.csv").open())
    assert "front" not in next(iter(nets))


def test_a_search_by_another_cost_leaves_the_others_what_they_are() -> None:
    """Only some nets have a latency; all have MACs."""
    latency = search("halving-latency", OURS)
    for net in latency["nets"]:
        net.update(cost="latency_ms", latency_ms=net["macs_m"] / 10)
    alone = front_data([latency], 10, 0)
    assert alone is not None and alone["cost"] == "latency_ms"
    found = front_data([search("halving", OURS), search("random", THEIRS), latency], 10, 0)
    assert found is not None and found["cost"] == "macs_m"
    assert found["hypervolume"] == pytest.approx({"halving": 0.5, "random": 0.5, "halving-latency": 0.5})
