"""A search with several winners on the command line: exported with a table, and listed beside the best."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from autostr_nni import strategies
from autostr_nni.cli.commands.search import next_commands
from autostr_nni.cli.export_front import as_text, figures_of
from autostr_nni.cli.main import main
from autostr_nni.export import formats
from autostr_nni.export.latency import latencies
from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import load_recipe

Report = Callable[[dict[str, Any], bool], None]


@pytest.fixture
def make_search(
    tmp_path: Path, trained: Path, shade_recipe: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Path]:
    """A random search that is asked for so many nets; its three were trained before, the dearest is best."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = Path(shade_recipe(tmp_path))

    def run(parameters: dict[str, Any], recipe: Any, place: Path, report: Report) -> dict[str, Any]:
        shutil.copytree(trained, place, dirs_exist_ok=True)
        result = json.loads((trained / "result.json").read_text())
        number = int(place.name[-1])
        result["metrics"] |= {"default": 0.9 / number, "macs_m": 4.0 / number}
        (place / "result.json").write_text(json.dumps({**result, "parameters": parameters}))
        metrics: dict[str, Any] = result["metrics"]
        return metrics

    def make(size: int) -> Path:
        content = yaml.safe_load(file.read_text())
        content["search"] |= {"front": {"size": size}, "random": {"count": 3}}
        file.write_text(yaml.safe_dump(content))
        recipe = load_recipe(file)
        folder = Path(f"runs/asked{size}")
        run_search(strategies.build("random", recipe), recipe, folder, run, log=lambda line: None)
        return folder

    return make


def test_all_nets_with_a_table(
    make_search: Callable[[int], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    search = str(make_search(3))
    assert main(["export", search, "net.pt", "--front", "--latency", "--words", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in told["front"]] == ["net-1.pt", "net-2.pt", "net-3.pt"]
    assert [row["trial"] for row in told["front"]] == ["random-3", "random-2", "random-1"]
    for row in told["front"]:
        assert row["bytes"] == (tmp_path / row["file"]).stat().st_size and row["latency_ms"] > 0
        assert 0 <= row["test shades"] <= 1 and row["params_m"] > 0
    assert [round(row["macs_m"], 2) for row in told["front"]] == [1.33, 2.0, 4.0]
    rows = list(csv.DictReader((tmp_path / told["table"]).open()))
    assert [row["validation"] for row in rows] == [str(row["validation"]) for row in told["front"]]
    run = formats.FORMATS[".pt"].load(tmp_path / "net-2.pt")
    ids, *_ = run(np.zeros((2, 3, 32, 32), np.uint8))
    assert len(ids) == 2

    head, *lines = as_text(told["front"], Path(told["table"])).splitlines()
    names = ("validation", "test numbers", "test shades", "M MACs", "M parameters", "ms a word", "MB")
    assert [head.index(name) for name in names] == sorted(head.index(name) for name in names)
    assert lines[0].split()[:3] == ["net-1.pt", "30.0", "%"] and lines[3] == "table: net.csv"


def test_a_search_by_latency_tells_what_its_table_predicts() -> None:
    row: Any = {"trial": "a", "word_accuracy": 0.5, "macs_m": 2.0, "params_m": 0.1, "latency_ms": 0.75}
    head, line, *more = as_text(
        [{**figures_of(row), "file": "n-1.pt", "bytes": 9}], Path("n.csv")
    ).splitlines()
    assert "ms by table" in head and "0.75" in line.split() and more[-1].startswith("ms by table: ")
    plain = {key: value for key, value in row.items() if key != "latency_ms"}
    assert "table_ms" not in figures_of(plain)


def test_the_others_are_told_beside_the_best(
    make_search: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    search = make_search(2)
    assert main(["evaluate", str(search)]) == 0
    told = capsys.readouterr().err.splitlines()
    assert "random-1/best.ckpt (the best net of asked2, validation word accuracy 90.0 %)" in told[0]
    assert told[1].startswith("also of its front: ") and "random-3/best.ckpt" in told[1]
    assert told[1].endswith("(validation word accuracy 30.0 %, 1.333 M MACs)") and len(told) == 2
    assert main(["list"]) == 0
    assert "90.0 % / 30.0 %" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["searches"]
    assert [row["trial"] for row in listed["front"]] == ["random-3", "random-1"]
    result = json.loads((search / "summary.json").read_text())
    assert next_commands(result)[1].endswith(" --front")


def test_one_that_fails_leaves_the_others(
    make_search: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    search, right = str(make_search(3)), formats.FORMATS[".pt"]
    seen: list[Path] = []

    def load(path: Path) -> formats.Run:
        seen.append(path)
        run = right.load(path)
        return (lambda images: [run(images)[0] + 1, *run(images)[1:]]) if len(seen) == 2 else run

    monkeypatch.setitem(formats.FORMATS, ".pt", formats.Format(right.name, (), right.write, load))
    assert main(["export", search, "net.pt", "--front", "--words", "1"]) == 1
    shown = capsys.readouterr()
    assert "net-2.pt is not written, the check failed" in shown.err
    assert "net-1.pt" in shown.out and "net-3.pt" in shown.out and "net-2.pt" not in shown.out
    assert {path.name for path in tmp_path.glob("net*")} == {"net-1.pt", "net-3.pt", "net.csv"}


def test_what_is_refused(
    make_search: Callable[[int], Path], trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refused(*argv: str) -> str:
        assert main(["export", *argv]) == 2
        error = capsys.readouterr().err
        assert error.startswith("autostr: error: ") and error.count("\n") == 1
        return error

    search = str(make_search(1))
    assert "has no front, as its recipe asks for one net (search.front.size)" in refused(
        search, "n.pt", "--front"
    )
    assert "is no search's folder" in refused(str(trained), "n.pt", "--front")
    assert "--latency goes with --front" in refused(search, "n.pt", "--latency")
    (tmp_path / "n.csv").mkdir()
    assert "n.csv is a folder" in refused(search, "n.pt", "--front")
    assert not list(tmp_path.glob("n*.pt"))


def test_files_take_turns_and_run_once_before_each_time() -> None:
    order: list[str] = []

    def run(name: str) -> formats.Run:
        def called(images: np.ndarray) -> list[np.ndarray]:
            assert images.shape == (1, 3, 4, 4)
            order.append(f"{name}{images[0, 0, 0, 0]}")
            return [images]

        return called

    images = np.arange(2, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 4, 4), np.uint8)
    found = latencies([run("a"), run("b")], images, rounds=3)
    turns = ["a0", "a0", "b0", "b0", "a1", "a1", "b1", "b1", "a0", "a0", "b0", "b0"]
    assert order == turns and len(found) == 2 and min(found) > 0
