"""`autostr report --latency`: what reading costs with the best net of each search."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autostr_nni.cli.main import main
from autostr_nni.latency import reading
from autostr_nni.report.figures import pictures

MakeSearch = Callable[..., Path]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SECONDS", 0.0)
    monkeypatch.setattr(reading, "LEAST", 1)
    monkeypatch.setattr(pictures, "draw_all", lambda report: [])


def test_the_best_nets_part_by_part(
    make_search: MakeSearch, trainer: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"hidden": 8, "encoder_layers": 1, "decoder": 8, "attention": 8, "embedding": 8}
    small = {"rectifier": {"enabled": False}, "translator": {"kind": "ctc", **sizes}}
    model = {
        "image": [32, 32],
        "stem_width": 8,
        "stage_widths": [8, 8, 8, 8, 8],
        "stage_layers": [2, 1, 1, 1, 1],
        **small,
    }
    data = {"train": ["/words/a"], "validation": ["/words/b"], "max_length": 8}
    changes = {"model": model, "data": data}
    trials = [f"random-{n}{retry}" for n in (1, 2, 3) for retry in ("", "-retry")]
    nothing = trainer(failing=tuple(trials))
    searches = [make_search("random", "one", **changes), make_search("random", "none", nothing, **changes)]
    out = tmp_path / "report"
    assert main(["report", *map(str, searches), "--out", str(out), "--latency"]) == 0
    said = capsys.readouterr().out
    assert "Reading words of 8 characters, milliseconds (torch-cpu, 1 thread, batch 1, float32; " in said
    assert "one, with ctc" in said and "none is not timed: it has no net yet" in said
    timed = json.loads((out / "report.json").read_text())["reading"]
    assert (timed["searches"], timed["own"], timed["missing"]) == (["s1"], {"s1": "ctc"}, ["s2"])
    rows = list(csv.DictReader((out / "data/reading.csv").open()))
    assert [(row["search"], row["translator"], row["own"]) for row in rows] == [
        ("one", "attention", "False"),
        ("one", "ctc", "True"),
    ]
    for row, found in zip(rows, timed["nets"][0].values(), strict=True):
        parts = ("rectifier", "backbone", "encoder", "decoder")
        assert sum(float(row[f"{part}_ms"]) for part in parts) == pytest.approx(found["ms"])
    page = (out / "report.html").read_text()
    (section,) = re.findall(r'<h2 id="reading">What reading costs</h2>.*?<h2', page, re.DOTALL)
    assert section.count("<tr>") == 3 and section.count("its own</small>") == 1
    assert "none is not timed: it has no net yet" in section


def test_options_of_a_timing_that_is_not_asked_for(
    make_search: MakeSearch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search, out = str(make_search("random", "one")), tmp_path / "report"
    assert main(["report", search, "--out", str(out), "--threads", "2"]) == 2
    assert "--threads goes with --latency" in capsys.readouterr().err and not out.exists()
