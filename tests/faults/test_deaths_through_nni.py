"""Every strategy through NNI, four trials at a time, of which most die once, and all of it is killed once.

It ends as the search in-process that nothing disturbs, and every row of NNI has the figures of its own net.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_search import PATIENCE, Search, findings, unpacked, wait
from fault_strategies import STRATEGIES, experiment_of

from autostr_nni.cli.main import main
from autostr_nni.nni.trial_side.figures import from_nni

pytestmark = pytest.mark.faults


def plain(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if key != "seconds"}


def results(folders: list[Path]) -> dict[str, dict[str, Any]]:
    """The metrics of every trial that has a result, by its parameters."""
    read = [json.loads(file.read_text()) for folder in folders if (file := folder / "result.json").exists()]
    return {json.dumps(one["parameters"], sort_keys=True): plain(one["metrics"]) for one in read}


def rows(search: Search) -> list[tuple[str, str]]:
    """NNI's own record of every trial: its id, and the parameters that it was made for."""
    with closing(sqlite3.connect(search.place / "db/nni.sqlite")) as base:
        found = base.execute("SELECT trialJobId, data FROM TrialJobEvent WHERE data IS NOT NULL").fetchall()
    made = {trial: unpacked(data) for trial, data in found if data}
    return [(trial, json.dumps(one["parameters"], sort_keys=True)) for trial, one in made.items()]


def check_rows(search: Search, expected: dict[str, dict[str, Any]]) -> int:
    """Every proposal has one final report, that of its own net; how many rows NNI has."""
    finals = {trial: figures for trial, kind, figures in search.reports() if kind == "FINAL"}
    told = []
    for trial, parameters in rows(search):
        ran = json.loads(search.trial_file(trial, "parameters.json").read_text())["parameters"]
        assert json.dumps(ran, sort_keys=True) == parameters, trial
        if trial in finals:
            figures, whole = from_nni(finals[trial]), expected[parameters]
            assert {"loss", "default", "macs_m"} <= figures.keys()
            assert all(whole[key] == value for key, value in figures.items()), trial
            told.append(parameters)
    assert sorted(told) == sorted(expected)
    return len(rows(search))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_trials_die_and_all_is_killed(
    strategy: str, tmp_path: Path, tiny_search: Callable[..., Path], fault: Callable[[str], Any]
) -> None:
    kind, whole = STRATEGIES[strategy], tmp_path / "whole"
    alone = experiment_of(kind, tmp_path / "files", tiny_search)
    assert main(["search", str(alone), "--in-process", "--out", str(whole)]) == 0
    expected = results([*(whole / "trials").iterdir()])
    folder = tmp_path / "search"
    search = Search(folder, experiment_of(kind, folder, tiny_search, trials=4))
    (search.holds / "deaths").write_text(kind.salt)
    try:
        with fault(f"deaths-{strategy}") as row:
            runs = search.start()
            moment = random.Random(strategy).randint(1, len(expected) - 1)
            wait(lambda: (search.look(), search.id)[1])
            wait(lambda: len(search.finished()) >= moment, 2 * PATIENCE)
            search.look()
            for process in search.processes():
                process.kill()
            search.ended(runs, None)
            search.nothing_left()
            kept = search.finished()
            search.ended(search.resume(), 0)
            search.nothing_left()
            assert kept.items() <= search.finished().items()
            early, late = (len([*search.holds.glob(f"*.{when}")]) for when in ("early", "late"))
            assert early and late
            assert findings(search.results()) == findings(json.loads((whole / "summary.json").read_text()))
            assert results(search.trial_folders()) == expected
            count = check_rows(search, expected)
            row.lost = (
                f"{early} trials died early and {late} late: repeated; 0 of {count} rows wrong, at the "
                "end the same nets and figures"
            )
    finally:
        search.end()
