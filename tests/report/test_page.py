"""What the page shows to whoever decides by it: also on a phone, of a single search, and of noise."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main
from autostr_nni.report.analysis import path_data
from autostr_nni.report.reading.in_process import read_in_process

MakeSearch = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, dict[str, Any]]]:
    """The page and the data of a report of searches."""

    def make(*searches: Path) -> tuple[str, dict[str, Any]]:
        out = tmp_path / "report"
        assert main(["report", *map(str, searches), "--out", str(out)]) == 0
        capsys.readouterr()
        return (out / "report.html").read_text(), json.loads((out / "report.json").read_text())

    return make


def write_losses(search: Path, **losses: list[float]) -> None:
    for path, values in losses.items():
        content = json.dumps({"words": "x", "losses": values})
        (search / "trials" / f"path-{path}" / "word_losses.json").write_text(content)


def test_test_scores_are_seen_on_a_phone(make_search: MakeSearch, made: Any) -> None:
    """Decide by the test rows, says docs/comparing.md: no rule of narrow screens may hide them."""
    page, _ = made(make_search("random", "one"))
    (table,) = re.findall(r'<table class="nets">.*?</table>', page, re.DOTALL)
    head, *rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    assert re.search(r'<th scope="col" class="number">real</th>', head)
    assert len(rows) == 3
    for row in rows:
        (cell,) = re.findall(r'<td class="([^"]*)" data-search="Test real">80.0 %', row)
        assert "optional" not in cell
    assert ".nets td::before" in page  # each figure has its name beside it there


def test_learning_curves_of_trained_nets(make_search: MakeSearch, made: Any, tmp_path: Path) -> None:
    _, told = made(make_search("random", "one"))
    assert [epoch["training_loss"] for epoch in told["searches"][0]["nets"][0]["epochs"]] == [1.5, 0.5]
    assert (tmp_path / "report/figures/s1-net-curves.svg").is_file()
    rows = list(csv.DictReader((tmp_path / "report/data/epochs.csv").open()))
    assert [row["training_loss"] for row in rows[:2]] == ["1.5", "0.5"]


def test_noise_of_path_losses(make_search: MakeSearch, made: Any) -> None:
    search = make_search("two-step", "one")
    spread = [0.5, 1.5] * 25
    near = [value + (0.3 if place % 4 < 2 else -0.25) for place, value in enumerate(spread)]
    write_losses(search, ABABB=spread, ABBAB=near, AABBB=[value + 2 for value in spread])
    page, told = made(search)
    paths = {row["path"]: row for row in told["searches"][0]["paths"]}
    assert [paths[path]["tied"] for path in ("ABABB", "ABBAB", "AABBB")] == [True, True, False]
    assert paths["ABABB"]["loss_error"] == pytest.approx(0.5 * (50 / 49) ** 0.5 / 50**0.5)
    assert paths["AABBB"]["behind"] == pytest.approx(2) and paths["AABBB"]["behind_error"] == 0
    said = "one: the first paths are within noise: ABBAB not told apart from ABABB by 50 validation words"
    assert any(note.startswith(said) for note in told["notes"]) and said in page
    assert "Hollow: not told apart from the first" in page


def test_a_failed_path_is_no_comparison(make_search: MakeSearch) -> None:
    """The second is behind by 1.8 standard errors: enough for one comparison, as the summary says it."""
    search = make_search("two-step", "one")
    spread = [0.5, 1.5] * 25
    behind = [value + 0.2 * ((-1) ** (place // 2) + 1.5 / 50**0.5) for place, value in enumerate(spread)]
    write_losses(search, ABABB=spread, ABBAB=behind, AABBB=[value + 2 for value in spread])
    history = read_in_process(search)
    assert {row["path"]: row["tied"] for row in path_data(history)}["ABBAB"] is True  # among three
    trials = [
        replace(trial, status="failed", metrics=None) if "AABBB" in trial.id else trial
        for trial in history.trials
    ]
    rows = {row["path"]: row["tied"] for row in path_data(replace(history, trials=trials))}
    assert rows == {"ABABB": True, "ABBAB": False, "AABBB": None}


def test_a_search_without_those_losses_says_nothing_of_noise(make_search: MakeSearch, made: Any) -> None:
    page, told = made(make_search("two-step", "one"))
    assert told["notes"] == [] and "within noise" not in page and "Bars: 95 % over the draw" not in page


def test_a_search_that_learnt_nothing_is_told(make_search: MakeSearch, trainer: Any, made: Any) -> None:
    class Poor(trainer):  # type: ignore[misc]
        def train(self, parameters: Any, folder: Path) -> dict[str, Any]:
            final = {**super().train(parameters, folder), "default": 0.04}
            content = json.loads((folder / "result.json").read_text())
            (folder / "result.json").write_text(json.dumps({**content, "metrics": final}))
            return final

    page, told = made(make_search("two-step", "one", Poor()))
    (search,) = told["searches"]
    assert search["state"] == "finished" and search["sentence"] == "finished: 5 of 5 trials done"
    assert told["notes"][0].startswith("one: nothing was learnt: the best net reads 4.0 % of the validation")
    assert "nothing was learnt" in page


def test_a_single_search_shows_its_recipe(make_search: MakeSearch, made: Any) -> None:
    page, told = made(make_search("random", "one", training__epochs=3))
    rows = {row["key"]: row for row in told["settings"]["recipes"]["s1"]}
    assert rows["training.epochs"] == {"key": "training.epochs", "value": 3, "default": False}
    assert rows["training.gamma"]["default"] and len(rows) > 60
    changed, whole = page.split("The whole recipe")
    changed = changed.split("Where the recipe differs from the defaults.")[1]
    assert "<code>3</code>" in changed and "gamma" not in changed and "gamma" in whole


def test_no_accuracy_is_given_where_no_net_was_trained(make_search: MakeSearch, made: Any) -> None:
    page, told = made(make_search("two-step", "mine"), make_search("random", "other"))
    (equal,) = told["spaces"][0]["cost"]["images"]["equal_cost"]
    assert equal["accuracy"] is None and "mine has no net yet, other 80.0 %" in page
    assert " 0.0 %" not in page
    curve = told["spaces"][0]["cost"]["images"]["observed"]["s1"]
    assert curve["accuracy"][0] == 0.4  # not 0 before the first net
