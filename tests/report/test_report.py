"""Reports of made-up searches: the figures in their JSON, the page, and what is refused."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main
from autostr_nni.report.statistics import wilson
from autostr_nni.report.write import PARTS

MakeSearch = Callable[..., Path]


def report(capsys: pytest.CaptureFixture[str], *arguments: Any, status: int = 0) -> dict[str, Any]:
    assert main(["report", *map(str, arguments), "--json"]) == status
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_two_searches(make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "report"
    told = report(capsys, make_search("two-step", "mine"), make_search("random", "other"), "--out", out)
    assert told == json.loads((out / "report.json").read_text())
    check_figures(told)
    check_page((out / "report.html").read_text(), told)
    names = {path.stem for path in (out / "figures").glob("*.svg")}
    assert names == {path.stem for path in (out / "figures").glob("*.png")}
    parts = ("macs", "parameters", "images", "seconds")
    assert {f"accuracy-{part}" for part in parts} < names
    assert {"s1-paths", "s1-path-curves", "s1-train-architecture", "s2-random-2-architecture"} < names
    found = "s1-operators-ABABB"
    assert {f"{found}-{what}" for what in ("probabilities", "probabilities-over-time", "entropy")} < names
    check_tables(out / "data")


def check_figures(told: dict[str, Any]) -> None:
    """The figures that conftest's numbers lead to."""
    mine, other = told["searches"]
    assert mine["best"]["accuracy"] == 0.8 and mine["best"]["words"] == 50
    assert (mine["best"]["low"], mine["best"]["high"]) == wilson(40, 50)
    test = mine["best"]["tests"]["real"]
    assert (test["low"], test["high"]) == wilson(8, 10) and test["one_minus_ned"] == 0.9
    assert (mine["images"], mine["seconds"], mine["nets_trained"]) == (5000.0, 50.0, 1)
    assert [path["path"] for path in mine["paths"]] == ["ABABB", "ABBAB", "AABBB"]
    assert [path["chosen"] for path in mine["paths"]] == [True, False, False]
    assert [net["accuracy"] for net in other["nets"]] == [0.2, 0.8, 0.5]
    (space,) = told["spaces"]
    assert space["searches"] == ["s1", "s2"] and told["notes"] == []
    assert told["reading"] is None  # it is not asked for
    on_front = [(net["search"], net["trial"]) for net in space["pareto"]["macs_m"]]
    assert on_front == [("s2", "random-1"), ("s2", "random-3"), ("s1", "train")]
    cost = space["cost"]["images"]
    assert cost["observed"]["s1"]["cost"] == [4500.0, 5000.0, 5000.0]
    assert cost["observed"]["s1"]["accuracy"] == [0.4, 0.8, 0.8]
    assert [step["end"] for step in cost["observed"]["s1"]["steps"]] == [3000.0, 4000.0, 5000.0]
    assert cost["observed"]["s2"]["accuracy"] == [0.1, 0.2, 0.4, 0.8, 0.8]
    band = cost["bands"]["s2"]
    first = min(i for i, spent in enumerate(band["cost"]) if spent >= 1000)
    assert [band[key][first] for key in ("low", "median", "high")] == [0.2, 0.5, 0.8]
    assert band["mean"][first] == pytest.approx(0.5, abs=0.02)
    assert band["mean"][-1] == pytest.approx((0.2 * 1 + 0.5 * 7 + 0.8 * 19) / 27, abs=0.02)
    (equal,) = cost["equal_cost"]
    assert (equal["at"], equal["accuracy"], equal["random_median"]) == (3000.0, None, 0.8)
    assert equal["wins"] == 0.0


class Page(html.parser.HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        if tag == "img":
            self.images.append(dict(attributes))


def check_page(text: str, told: dict[str, Any]) -> None:
    """It asks for nothing, runs nothing, and every picture has words for those who do not see it."""
    page = Page()
    page.feed(text)
    assert not re.search(r"https?://|@import|url\(", text)
    assert not {"script", "iframe", "object"} & set(page.tags)
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert len(page.images) > 10 and all(image["alt"] for image in page.images)
    for search in told["searches"]:
        assert search["label"] in text and search["sentence"] in text
    assert "Both recipes are the same." in text
    assert "mine has no net yet, other 80.0 %" in text and " 0.0 %" not in text


def check_tables(folder: Path) -> None:
    nets = list(csv.DictReader((folder / "nets.csv").open()))
    assert [net["pareto_macs_m"] for net in nets] == ["True", "True", "False", "True"]
    probabilities = list(csv.DictReader((folder / "probabilities.csv").open()))
    assert len(probabilities) == 12 and float(probabilities[7]["skip"]) == pytest.approx(0.7)
    names = {path.name for path in folder.iterdir()}
    assert {"searches.csv", "tests.csv", "paths.csv", "epochs.csv", "cost.csv", "equal_cost.csv"} <= names


def test_an_existing_folder(
    make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search, out = make_search("random", "other"), tmp_path / "report"
    (out / "figures").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    (out / "figures" / "old.png").touch()
    assert main(["report", str(search), "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err and not (out / "report.html").exists()
    assert main(["report", str(search), "--out", str(out), "--force"]) == 2
    assert "has figures that no report wrote" in capsys.readouterr().err
    assert (out / "figures" / "old.png").exists()
    (out / "report.json").write_text('{"autostr": "0.1.0"}')
    assert main(["report", str(search), "--out", str(out), "--force"]) == 0
    assert (out / "report.html").exists() and not (out / "figures" / "old.png").exists()
    assert (out / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob(".report-*"))
    for part in PARTS[1:]:  # killed as it put the first of its parts in place
        shutil.rmtree(out / part) if (out / part).is_dir() else (out / part).unlink()
    assert main(["report", str(search), "--out", str(out), "--force"]) == 0
    assert all((out / part).exists() for part in PARTS)
    assert main(["report", str(search), "--out", str(out / "notes.txt"), "--force"]) == 2


def test_different_spaces_are_flagged(
    make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = make_search("random", "narrow"), make_search("random", "wide", model__stem_width=16)
    told = report(capsys, *searches, "--out", tmp_path / "report")
    assert [group["searches"] for group in told["spaces"]] == [["s1"], ["s2"]]
    assert any("not comparable" in note for note in told["notes"])
    assert any("model.stem_width" in note for note in told["notes"])
    page = (tmp_path / "report" / "report.html").read_text()
    assert "not comparable" in page and "· space 2" in page
    assert (tmp_path / "report" / "figures" / "accuracy-macs-space2.svg").exists()


def test_different_settings_are_flagged(
    make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = (
        make_search("random", "short", training__epochs=2),
        make_search("random", "long", training__epochs=9, data__workers=0),
    )
    told = report(capsys, *searches, "--out", tmp_path / "report")
    rows = {row["key"]: row for row in told["settings"]["differences"]}
    assert rows["training.epochs"]["values"] == {"s1": 2, "s2": 9} and rows["training.epochs"]["weight"]
    assert not rows["data.workers"]["weight"]
    assert told["notes"] == [
        "The searches had different settings: training.epochs. See the table of settings."
    ]
    assert len(told["spaces"]) == 1


def test_an_unknown_search_among_others(
    make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = make_search("random", "other")
    assert main(["report", str(known), "nosuch12", "--out", str(tmp_path / "report")]) == 1
    assert "there is no search nosuch12" in capsys.readouterr().err
    assert (tmp_path / "report" / "report.html").exists()
    assert main(["report", "nosuch12", "--out", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
