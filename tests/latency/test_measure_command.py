"""`autostr measure`: what it prints, how it ends, and what is said of wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from known_runtime import Known

from autostr_nni.cli.main import main
from autostr_nni.latency import kept_rounds
from autostr_nni.latency import measure as measuring
from autostr_nni.latency.slowest import block_speeds, operation_speeds
from autostr_nni.search_spaces.latency import read_latency_table, unfinished

RECIPE = """
data: {train: [a], validation: [b]}
model:
  {image: [8, 16], sequence: [1, 4], stem_width: 8, stage_widths: [8, 16], stage_layers: [2, 2]}
search: {path: {paths: [AAB.]}, operators: {operations: [k3e1, k5e3, skip]}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "recipe.yml").write_text(RECIPE)
    return str(tmp_path / "recipe.yml")


def test_what_is_printed(
    known: Known, recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "table.json"
    assert main(["measure", str(file), "--recipe", recipe, "--minutes", "0"]) == 0
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in err.splitlines()] == ["round 1", "round 2", "round 3"]
    assert "torch-cpu, 1 thread, batch 1, float32" in out and out.splitlines()[-1] == str(file)
    assert "20 other nets, drawn at random: median error 0.0%, largest" in out
    table = read_latency_table(file)
    speeds = block_speeds(table.blocks, 1, False)
    rows = [line.split() for line in out.splitlines()]
    slowest = next(place for place, row in enumerate(rows) if row[:1] == ["slowest"])
    first = rows[slowest + 1]
    assert first[0] == speeds[0].operation and first[-1] == f"{speeds[0].ns_per_thousand:.1f}"
    assert len(rows[slowest + 1 :]) - 2 == 10
    by_operation = [speed.operation for speed in operation_speeds(speeds)]
    assert set(by_operation) == {"k3e1", "k5e3", "res3"}  # a skip computes nothing


def test_json(known: Known, recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "table.json"
    assert main(["measure", str(file), "--recipe", recipe, "--minutes", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["check"]["fit"] and told["device"] == "torch-cpu, 1 thread, batch 1, float32"
    assert "blocks" not in told


def test_an_unfit_table_is_a_fault(
    known: Known,
    recipe: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known.unforeseen = 3
    file = tmp_path / "table.json"
    assert main(["measure", str(file), "--recipe", recipe, "--minutes", "0"]) == 1
    assert "is marked unfit: its median error is above 15%" in capsys.readouterr().err
    assert not json.loads(file.read_text())["check"]["fit"]


def test_a_stopped_command_keeps_what_it_has(
    known: Known,
    recipe: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one_round = measuring.one_round

    def interrupted(*args: object) -> object:
        if args[-1] == 1:
            raise KeyboardInterrupt
        return one_round(*args)  # type: ignore[arg-type]

    file = tmp_path / "table.json"
    command = ["measure", str(file), "--recipe", recipe, "--minutes", "0"]
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "one_round", interrupted)
        assert main(command) == 130
    assert unfinished(file).exists() and not file.exists()
    capsys.readouterr()
    assert main(command) == 0
    assert "going on after 1 round kept in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--threads", "0"], "--threads: 0 is too few"),
        (["--threads", "5000"], "--threads: this machine has"),
        (["--batch", "0"], "--batch: 0 is too few"),
        (["--precision", "bfloat16"], "--precision: torch-cpu is measured in float32"),
        (["--minutes", "-1"], "--minutes: -1 must be from 0 to 10000"),
        (["--minutes", "nan"], "--minutes: nan must be"),
    ],
)
def test_wrong_options(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", str(tmp_path / "table.json"), *options]) == 2
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


def test_a_gpu_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["measure", str(tmp_path / "table.json"), "--runtime", "torch-cuda"]) == 2
    assert "--runtime: torch sees no GPU on this machine; use torch-cpu" in capsys.readouterr().err


def test_places_where_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for file, told in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "table.json", "does not exist: make the folder"),
        (notes, "is there and is no latency table"),
    ):
        assert main(["measure", str(file)]) == 2
        assert told in capsys.readouterr().err
    assert notes.read_text() == "mine"


def test_a_folder_that_may_not_be_written(
    known: Known,
    recipe: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: Path, content: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(kept_rounds, "write_atomic", refuse)
    file = tmp_path / "table.json"
    assert main(["measure", str(file), "--recipe", recipe]) == 2
    err = capsys.readouterr().err
    assert err == f"autostr: error: {file}: cannot be written: Permission denied; name another\n"
