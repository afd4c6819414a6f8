"""`autostr search` with several targets: each is searched as it would be alone, and the end tells all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.system.json_text import read_json

Words = Callable[..., Path]
SMALL: dict[str, Any] = {
    "training": {"epochs": 1, "epoch_images": 16},
    "search": {"random": {"count": 2}},
}


@pytest.fixture(scope="session")
def halves(tiny_words: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two targets: validation and test words of one and the other half of the tiny sets."""
    folder = tmp_path_factory.mktemp("halves")
    for name in ("validation", "test"):
        with LmdbReader(tiny_words / name) as reader:
            pairs = [(image or b"", (label or b"").decode()) for image, label in reader.samples(range(1, 25))]
        write_lmdb(folder / f"low {name}", pairs[:12])
        write_lmdb(folder / f"high {name}", pairs[12:])
    return {
        half: {
            "validation": [str(folder / f"{half} validation")],
            "test": {half: str(folder / f"{half} test")},
        }
        for half in ("low", "high")
    }


@pytest.fixture
def write(tiny_search: Words, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes an experiment of random search with these keys of data in the recipe, and goes there."""

    def make(folder: Path, data: dict[str, Any], **sections: Any) -> Path:
        path = tiny_search(folder, **{**SMALL, **sections})
        recipe = yaml.safe_load((folder / "recipe.yml").read_text())
        kept = {key: value for key, value in recipe["data"].items() if key not in ("validation", "test")}
        (folder / "recipe.yml").write_text(
            yaml.safe_dump({**recipe, "data": {**kept, **data}}, sort_keys=False)
        )
        experiment = yaml.safe_load(path.read_text())
        experiment["tuner"]["className"] = "autostr_nni.nni.tuner.RandomTuner"
        path.write_text(yaml.safe_dump(experiment))
        monkeypatch.chdir(folder)
        return path

    return make


def results(search: Path) -> dict[str, Any]:
    """What the trials of a search found, without their times."""
    found = {}
    for path in sorted(search.glob("trials/*/result.json")):
        told = read_json(path)
        told["metrics"].pop("seconds")
        found[path.parent.name] = told
    return found


def test_each_target_is_searched_as_alone(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both, alone = tmp_path / "both", tmp_path / "alone"
    config = write(both, {"targets": halves})
    assert main(["search", str(config), "--in-process"]) == 0
    told = capsys.readouterr().out
    write(alone, halves["high"])
    assert main(["search", str(alone / "experiment.yml"), "--in-process", "--out", "own"]) == 0
    mine, own = results(both / "runs/tiny/high"), results(alone / "own")
    assert mine.keys() == own.keys() == {"random-1", "random-2"}
    for name, result in mine.items():
        elsewhere = result["test"].pop("low")
        assert result == own[name]
        assert elsewhere["words"] == 12 and elsewhere != result["test"]["high"]
    assert read_json(both / "runs/tiny/low/summary.json")["best"]["test"].keys() == {"low", "high"}
    assert "target low (1 of 2)" in told and "target high (2 of 2)" in told
    table = told[told.index("found for") :].splitlines()
    assert re.fullmatch(r"found for +low \(low\) +high \(high\) +M MACs +search", table[0])
    assert re.fullmatch(r"low +[\d.]+ % \* +[\d.]+ % +[\d.]+ +tiny/low", table[1])
    assert re.fullmatch(r"high +[\d.]+ % +[\d.]+ % \* +[\d.]+ +tiny/high", table[2])
    assert any(line.startswith("Nets found for different targets with one seed differ in ") for line in table)
    assert table[-1].startswith("All of it: autostr report runs/tiny --out runs/report-tiny")


def test_what_has_ended_is_not_run_again(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, {"targets": halves}, search={"random": {"count": 1}})
    search = ["search", str(config), "--in-process", "--out", "found"]
    assert main([*search, "--target", "high"]) == 0
    assert [path.name for path in (tmp_path / "found").iterdir()] == ["high"]
    net = tmp_path / "found/high/trials/random-1/best.ckpt"
    before = net.stat().st_mtime_ns
    assert main(search) == 0
    assert net.stat().st_mtime_ns == before
    assert (tmp_path / "found/low/trials/random-1/best.ckpt").is_file()
    recipe = (tmp_path / "recipe.yml").read_text()
    (tmp_path / "recipe.yml").write_text(recipe.replace("epoch_images: 16", "epoch_images: 24"))
    assert main(search) == 2
    assert "training.epoch_images is 24 and was 16 when it began" in capsys.readouterr().err


def test_a_target_that_no_recipe_here_has(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tuner of NNI's own takes its recipe from the trials' command, which may be anything."""
    config = write(tmp_path, {"targets": halves})
    experiment = yaml.safe_load(config.read_text())
    experiment |= {"tuner": {"name": "TPE"}, "trialCommand": "python mine.py", "maxTrialNumber": 1}
    config.write_text(yaml.safe_dump(experiment))
    assert main(["search", str(config), "--target", "high"]) == 2
    assert "--target high: no recipe that has this target is known here" in capsys.readouterr().err


def test_a_set_of_another_target_under_two_names(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (words,) = halves["low"]["test"].values()
    two = {"whole": words, "some": {"set": words, "filter": "alphanumeric"}}
    write(tmp_path, {"targets": {"low": {**halves["low"], "test": two}, "high": halves["high"]}})
    assert main(["data", "check", "--recipe", "recipe.yml#high"]) == 0
    net = "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1"
    assert main(["train", net, "--recipe", "recipe.yml#high", "--out", "net"]) == 0
    assert read_json(tmp_path / "net/result.json")["test"].keys() == {"high", "whole", "some"}


def test_as_json(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, {"targets": halves}, search={"random": {"count": 1}})
    assert main(["search", str(config), "--in-process", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["targets"]) == ["low", "high"]
    assert told["targets"]["low"]["best"]["test"].keys() == {"low", "high"}
    assert told["compared"]["sets"] == [{"set": half, "targets": [half]} for half in ("low", "high")]


def test_a_set_that_is_missing_is_told_before_the_first_search(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {**halves["high"], "validation": [str(tmp_path / "gone")]}
    config = write(tmp_path, {"targets": {"low": halves["low"], "high": gone}})
    assert main(["search", str(config), "--in-process"]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "gone") in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    assert main(["search", str(config), "--in-process", "--target", "hihg"]) == 2
    assert "data.targets has no hihg, only low, high" in capsys.readouterr().err
    assert main(["search", str(config), "--detach"]) == 2
    assert "--detach: targets are searched for one after another" in capsys.readouterr().err


def test_tuner_and_trials_are_told_the_target(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path
) -> None:
    config = write(tmp_path, {"targets": halves})
    found = load_experiment(config, target="high")
    assert found.config["trialCommand"] == "python -m autostr_nni.trial --recipe recipe.yml#high"
    assert found.config["tuner"]["classArgs"]["recipe"] == str(tmp_path / "recipe.yml#high")
    assert found.config["experimentName"] == "tiny high" and found.folder_name == "tiny"
    assert found.recipe is not None and found.recipe.data.target is not None
    text = config.read_text()
    config.write_text(text.replace("--recipe recipe.yml", "--recipe='recipe.yml' --more"))
    assert (
        "--recipe='recipe.yml#high' --more" in load_experiment(config, target="high").config["trialCommand"]
    )
    named = text.replace("recipe.yml", "recipe.yml#low")  # by hand, as for nnictl
    config.write_text(named)
    found = load_experiment(config)
    assert found.target is None and found.recipe is not None and found.recipe.data.target.name == "low"


def test_a_recipe_of_a_target_wherever_one_is_named(
    write: Callable[..., Path], halves: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"targets": halves})
    assert main(["data", "check", "--recipe", "recipe.yml#low"]) == 0
    told = capsys.readouterr().out
    assert "data.validation:" in told and "data.test of other targets:" in told
    assert main(["data", "check", "--recipe", "recipe.yml"]) == 2
    assert "data.targets has low, high; name one of them as recipe.yml#low" in capsys.readouterr().err
    net = "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1"
    assert main(["train", net, "--recipe", "recipe.yml#low", "--out", "net"]) == 0
    assert read_json(tmp_path / "net/result.json")["test"].keys() == {"low", "high"}


@pytest.mark.slow("runs NNI")
def test_through_nni(
    write: Callable[..., Path],
    halves: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NNI_CONFIG_DIR", str(tmp_path / "home/nni"))
    config = write(tmp_path, {"targets": halves}, search={"random": {"count": 1}})
    assert main(["search", str(config), "--target", "high"]) == 0
    (first,) = (path for path in (tmp_path / "runs/tiny").iterdir() if not path.is_symlink())
    assert read_json(first / "recipe.json")["data"]["target"]["name"] == "high"
    before = (first / "summary.json").stat().st_mtime_ns
    capsys.readouterr()
    assert main(["search", str(config)]) == 0
    told = capsys.readouterr().out
    assert f"found in {first}: it has ended" in told and "target low (1 of 2)" in told
    assert (first / "summary.json").stat().st_mtime_ns == before
    assert len([path for path in (tmp_path / "runs/tiny").iterdir() if not path.is_symlink()]) == 2
    table = told[told.index("found for") :].splitlines()
    assert re.fullmatch(r"low +[\d.]+ % \* +[\d.]+ % +[\d.]+ +tiny low", table[1])
    assert main(["report", "runs/tiny", "--out", "report", "--json"]) == 0
    assert {row["target"] for row in json.loads(capsys.readouterr().out)["targets"]["rows"]} == {
        "low",
        "high",
    }
    recipe = (tmp_path / "recipe.yml").read_text()
    (tmp_path / "recipe.yml").write_text(recipe.replace("count: 1", "count: 2"))
    assert main(["search", str(config), "--target", "high"]) == 0  # more nets are no other search
    assert "2 of 2 trials done" in capsys.readouterr().out
    (tmp_path / "runs/tiny").rename(tmp_path / "moved")
    assert main(["search", str(config), "--target", "high", "--out", "moved"]) == 0
    assert str(tmp_path / "moved" / first.name) in capsys.readouterr().out
