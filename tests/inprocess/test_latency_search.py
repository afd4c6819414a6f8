"""Whole searches under a budget of latencies: every net that is trained keeps to it, and is told by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.commands.report import as_text
from autostr_nni.cli.main import main
from autostr_nni.inprocess.run import run_search
from autostr_nni.recipe import load_recipe
from autostr_nni.report.analysis import analyse
from autostr_nni.report.page import render
from autostr_nni.report.reading.in_process import read_in_process
from autostr_nni.report.tables import csv_files
from autostr_nni.runs.told import summary_text
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.strategies import build
from autostr_nni.system.errors import InputError
from tests.made_table import made_table, write_table

BUDGET = 1.4  # ms; a third of the nets
SEARCH: dict[str, Any] = {
    "path": {"epochs": 1},
    "operators": {"epochs": 1},
    "random": {"count": 2},
    "halving": {"nets": 2, "reduction": 2, "rungs": [1, 2], "lookback": 2},
    "one_shot": {"epochs": 2, "nets": 5, "population": 3, "recalibration": 8, "words": 8, "finalists": 1},
    "cost": {"kind": "latency", "table": "cpu.json", "budget": BUDGET},
}
LONG = pytest.mark.slow("a whole search for each strategy; two-step's stands for the others")


@pytest.fixture(scope="module")
def file(tiny_search: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe, beside the table of its space."""
    folder = tmp_path_factory.mktemp("latency")
    tiny_search(folder)
    write_table(folder / "cpu.json", made_table(load_recipe(folder / "recipe.yml").space()))
    tiny_search(folder, search=SEARCH)
    return folder / "recipe.yml"


@pytest.mark.parametrize(
    "name", ["two-step", *(pytest.param(name, marks=LONG) for name in ("random", "halving", "one-shot"))]
)
def test_every_net_keeps_to_it(
    name: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe(file)
    found = run_search(build(name, recipe), recipe, tmp_path / "s", log=lambda line: None)
    space, price = recipe.space(), recipe.price
    assert found["failure"] is None and found["architectures"]
    for row in found["architectures"]:
        net = Architecture.parse(row["architecture"], space)
        assert row["cost"] == "latency_ms" and row["latency_ms"] == price.of(net, space) / 1e6 <= BUDGET
    best = found["best"]
    assert best is not None
    assert f"{best['macs_m']:.4g} M MACs" in summary_text(found)
    assert f" M parameters, {best['latency_ms']:.4g} ms" in summary_text(found)
    check_told(tmp_path, best["latency_ms"], capsys)
    if name != "two-step":
        check_report(tmp_path, best["latency_ms"])
    write_table(file.parent / "cpu.json", replace(made_table(space), constant_ns=-12_000))
    other = load_recipe(file)
    write_table(file.parent / "cpu.json", made_table(space))
    with pytest.raises(InputError, match=r"holds a search by another recipe: search\.cost\.table is"):
        run_search(build(name, other), other, tmp_path / "s", log=lambda line: None)


def check_told(place: Path, best: float, capsys: pytest.CaptureFixture[str]) -> None:
    """The list, the report's figures and its page name what was counted."""
    capsys.readouterr()
    assert main(["list", str(place / "s")]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].endswith("cost") and listed[1].endswith(f"{best:.4g} ms")
    told = analyse([read_in_process(place / "s")], draws=20)
    assert told["searches"][0]["best"]["latency_ms"] == best
    assert told["spaces"][0]["pareto"]["latency_ms"]
    for search in told["searches"]:
        for operators in search["operators"]:
            assert all(epoch["expected_latency_ms"] > 0 for epoch in operators["epochs"])
    page = render(told, [])
    assert "Latency <small>by the search's table" in page and f"{best:.4g} ms" in page
    assert "latency_ms" in csv_files(told)["nets.csv"].splitlines()[0]
    assert f"{best:.4g} ms" in as_text(told)


def check_report(place: Path, best: float) -> None:
    """And its drawings."""
    assert main(["report", str(place / "s"), "--out", str(place / "r")]) == 0
    assert (place / "r" / "figures" / "accuracy-latency.svg").is_file()
    assert f"{best:.4g} ms" in (place / "r" / "report.html").read_text()
