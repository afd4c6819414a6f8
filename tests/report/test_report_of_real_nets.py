"""The report of a net that was really trained: its figures are those of `autostr evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autostr_nni.cli.main import main

NET = "ABABB:k3e1,skip,k5e3,k3e1,k3e1,k5e3"


def test_the_accuracy_is_the_one_of_evaluate(
    tiny_search: Callable[..., Path], tiny_words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_search(tmp_path, training={"epochs": 1})
    run = tmp_path / "run"
    assert main(["train", NET, "--recipe", str(tmp_path / "recipe.yml"), "--out", str(run), "--json"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run / "best.ckpt"), str(tiny_words / "test"), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert main(["report", str(run), "--out", str(tmp_path / "report"), "--json"]) == 0
    (search,) = json.loads(capsys.readouterr().out)["searches"]
    told = search["best"]["tests"]["numbers"]
    row = scores["sets"]["test"]
    assert (told["accuracy"], told["words"]) == (row["word_accuracy"], row["words"])
    assert [told["low"], told["high"]] == scores["intervals_95"]["test"]
    assert told["one_minus_ned"] == pytest.approx(row["one_minus_ned"])
    assert search["best"]["words"] == 24 and search["recipe_source"] == str(run / "recipe.json")
