"""Searches for several targets in one report: each net on the words of all, and nothing mixed."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main
from autostr_nni.cli.targets.text import targets_text
from autostr_nni.report.analysis import analyse
from autostr_nni.report.reading.locate import named, read_folder

MakeSearch = Callable[..., Path]
# Word accuracies of nets found for a target on the words of a target, by seed.
SCORES = {
    ("scene", "street"): (0.6, 0.62, 0.61),
    ("scene", "till"): (0.3, 0.32, 0.31),
    ("receipts", "street"): (0.5, 0.5, 0.5),
    ("receipts", "till"): (0.8, 0.8, 0.8),
}
HOMES = {"scene": "street", "receipts": "till"}


def data(target: str) -> dict[str, Any]:
    elsewhere = {name: f"/words/{name}" for home, name in HOMES.items() if home != target}
    return {
        "train": ["/words/a"],
        "validation": [f"/words/{target}"],
        "test": {HOMES[target]: f"/words/{HOMES[target]}"},
        "target": {"name": target, "elsewhere": elsewhere},
    }


@pytest.fixture
def searches(make_search: MakeSearch, trainer: Any, tmp_path: Path) -> Callable[..., list[Path]]:
    """Searches for both targets with some seeds, each pair in a folder of its own; the folders."""

    def make(strategy: str, seeds: int) -> list[Path]:
        for seed in range(seeds):
            for target in HOMES:

                class Told(trainer):  # type: ignore[misc]
                    def train(
                        self,
                        parameters: Mapping[str, Any],
                        folder: Path,
                        target: str = target,
                        seed: int = seed,
                    ) -> dict[str, Any]:
                        final: dict[str, Any] = super().train(parameters, folder)
                        told = json.loads((folder / "result.json").read_text())
                        told["test"] = {
                            name: {
                                "words": 100,
                                "correct": round(100 * (score := SCORES[target, name][seed])),
                            }
                            | {"word_accuracy": score, "one_minus_ned": 0.9}
                            for name in (HOMES[target], *(set(HOMES.values()) - {HOMES[target]}))
                        }
                        (folder / "result.json").write_text(json.dumps(told))
                        return final

                make_search(strategy, f"{strategy}-{seed}/{target}", Told(), seed=seed, data=data(target))
        return [tmp_path / "searches" / f"{strategy}-{seed}" for seed in range(seeds)]

    return make


def told_of(folders: list[Path]) -> dict[str, Any]:
    """The data of a report of all searches in these folders, which is drawn by one test alone."""
    found = [read_folder(Path(search)) for folder in folders for search in named(str(folder))]
    return dict(analyse(found, draws=20))


def test_one_seed(searches: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = searches("random", 1)
    assert main(["report", str(folder), "--out", str(tmp_path / "report")]) == 0
    said, told = capsys.readouterr().out, json.loads((tmp_path / "report/report.json").read_text())
    assert told["notes"] == []  # neither other settings nor other spaces: they are two targets
    assert [(space["name"], len(space["searches"])) for space in told["spaces"]] == [
        ("scene", 1),
        ("receipts", 1),
    ]
    assert [row["target"] for row in told["targets"]["rows"]] == ["scene", "receipts"]
    assert told["targets"]["sets"] == [
        {"set": "street", "targets": ["scene"]},
        {"set": "till", "targets": ["receipts"]},
    ]
    table = said[said.index("found for") :].splitlines()
    assert table[1].split() == ["scene", "60.0", "%", "*", "30.0", "%", "4", "random-0/scene"]
    assert table[2].split() == ["receipts", "50.0", "%", "80.0", "%", "*", "4", "random-0/receipts"]
    (pair,) = told["targets"]["differences"]
    assert (pair["between"], pair["layers"], pair["operations"], pair["strides"]) == ("targets", 6, 0, 0)
    page = (tmp_path / "report/report.html").read_text()
    assert '<h2 id="targets">' in page and "<strong>80.0 %</strong>" in page
    assert "accuracy-macs-space2" in {path.stem for path in (tmp_path / "report/figures").glob("*.svg")}
    assert list(csv.DictReader((tmp_path / "report/data/targets.csv").open()))[0]["between"] == "targets"


def test_is_each_the_better_one_at_home(searches: Any) -> None:
    told = told_of(searches("random", 3))
    said = targets_text(told)
    by_time = [
        {**s, "best": {**s["best"], "cost": "latency_ms", "latency_ms": 0.7}} for s in told["searches"]
    ]
    assert " 0.7 ms " in targets_text({**told, "searches": by_time}).splitlines()[1]
    (pair,) = told["targets"]["pairs"]
    assert (pair["first"], pair["second"], pair["seeds"]) == (
        "random for scene",
        "random for receipts",
        [0, 1, 2],
    )
    means = {row["set"]: row["mean"] for row in pair["figures"] if row["unit"] == "images"}
    assert means == {"test street": pytest.approx(0.11), "test till": pytest.approx(-0.49)}
    first, second = pair["sentences"]
    assert first.startswith(
        "random for scene is ahead of random for receipts on the words of street at equal images: random for "
        "scene +11.0 points over 3 seeds"
    )
    assert second.startswith("random for receipts is ahead of random for scene on the words of till")
    assert first in said and second in said
    between = Counter(row["between"] for row in told["targets"]["differences"])
    assert between == {"targets": 3, "seeds": 6, "both": 6}
    assert "for different targets with one seed differ in " in said
    assert "for different targets with different seeds differ in " in said
    assert "for one target with different seeds differ in " in said
    assert not any("different settings" in note for note in told["notes"])


def test_strategies_are_compared_at_home(searches: Any) -> None:
    folders = [*searches("random", 2), *searches("two-step", 2)]
    told = told_of(folders)
    by_name = {space["name"]: space["comparison"] for space in told["spaces"]}
    for target, home in HOMES.items():
        (pair,) = by_name[target]["pairs"]
        assert {group["label"] for group in by_name[target]["groups"]} == {
            f"random for {target}",
            f"two-step for {target}",
        }
        assert pair["set"] == f"test {home}" and pair["seeds"] == [0, 1]
    assert len(told["targets"]["pairs"]) == 2  # within a strategy alone


def test_searches_without_a_target_are_as_they_were(make_search: MakeSearch) -> None:
    """A folder of searches is what it holds."""
    told = told_of([make_search("random", "one").parent])
    assert len(told["searches"]) == 1 and told["targets"] is None


def kept(folders: list[Path], change: Callable[[dict[str, Any]], None]) -> None:
    """Change the data of the recipe that each search of two targets keeps."""
    for folder in folders:
        for path in folder.glob("*/recipe.json"):
            recipe = json.loads(path.read_text())
            change(recipe["data"])
            path.write_text(json.dumps(recipe))


def test_without_test_words_there_is_nothing_to_tell_across_targets(searches: Any) -> None:
    folders = searches("random", 3)
    kept(folders, lambda data: data.update(test={}))
    told = told_of(folders)["targets"]
    assert told["sets"] == told["pairs"] == [] and all("differ in" in said for said in told["sentences"])


def test_a_set_that_is_common_to_targets_is_of_both(searches: Any) -> None:
    folders = searches("random", 3)
    kept(folders, lambda data: data.update(test={"street": "/words/street"}))
    told = told_of(folders)
    assert told["targets"]["sets"] == [{"set": "street", "targets": ["scene", "receipts"]}]
    (pair,) = told["targets"]["pairs"]
    assert {row["set"] for row in pair["figures"]} == {"test street"}
    head, first, second, *_ = targets_text(told).splitlines()
    assert "street (scene, receipts)" in head and "60.0 % *" in first


def test_what_only_one_target_has_is_told(searches: Any) -> None:
    folders = searches("random", 3)
    shutil.rmtree(folders[2] / "receipts")
    said = told_of(folders)["targets"]["sentences"]
    assert (
        "random for scene and random for receipts are compared over the seeds that both have; left out: 2."
        in said
    )
