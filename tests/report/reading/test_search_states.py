"""Searches from disk: which is running, stopped, half-failed or finished, and where each kind is found."""

from __future__ import annotations

import fcntl
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main
from autostr_nni.inprocess.run import resume_search
from autostr_nni.report.analysis import analyse
from autostr_nni.report.page import ranked_nets
from autostr_nni.report.reading import nni_history
from autostr_nni.report.reading.locate import read
from autostr_nni.runs.layout import NNI_STATE
from autostr_nni.system.errors import InputError

MakeSearch = Callable[..., Path]


def test_finished(make_search: MakeSearch) -> None:
    search = read(str(make_search("two-step", "all")))
    assert (search.state, search.strategy, search.planned) == ("finished", "two-step", 5)
    assert search.sentence == "finished: 5 of 5 trials done"


def test_stopped_then_running(make_search: MakeSearch, trainer: Any) -> None:
    folder = make_search("two-step", "part", trainer(dying="path-ABBAB"))
    search = read(str(folder))
    assert search.sentence.startswith("stopped before it was finished: 2 of 5 trials done")
    assert [trial.status for trial in search.trials] == ["done", "done", "cut off"]
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        search = read(str(folder))
    assert search.sentence.startswith("running: 2 of 5 trials done, 1 under way")
    (found,) = analyse([search])["searches"]
    assert found["best"] is None and found["images"] == 2500.0


def test_a_damaged_state_leaves_the_one_before(make_search: MakeSearch) -> None:
    """As `autostr resume` goes on from it."""
    folder = make_search("two-step", "all")
    state = folder / "state.json"
    shutil.copy(state, folder / "state.previous.json")
    state.write_bytes(state.read_bytes()[:100])
    assert read(str(folder)).sentence == "finished: 5 of 5 trials done"
    (folder / "state.previous.json").unlink()
    with pytest.raises(InputError, match=r"state\.json: cannot be read as a search's state"):
        read(str(folder))


def test_half_failed(make_search: MakeSearch, trainer: Any, tmp_path: Path) -> None:
    folder = make_search("random", "half", trainer(failing=("random-2", "random-2-retry")))
    search = read(str(folder))
    assert search.sentence == "finished, in part failed: 2 of 3 trials done, 2 failed"
    assert main(["report", str(folder), "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.html").read_text()
    assert "in part failed" in page and "RuntimeError: the training loss is nan" in page


def test_damaged_lines_are_counted(make_search: MakeSearch) -> None:
    folder = make_search("random", "damaged")
    metrics = folder / "trials" / "random-2" / "metrics.jsonl"
    first, *others = metrics.read_text().splitlines(keepends=True)
    metrics.write_text(first[:10] + "\n" + "".join(others) + '{"torn')  # a torn last line is no damage
    report = analyse([read(str(folder))])
    assert report["searches"][0]["unread"] == {"random-2": 1 + len(others)}
    (note,) = report["notes"]
    assert note.startswith("Damaged lines of") and note.endswith(f"left out: {1 + len(others)} of random-2.")


def test_wholly_failed(make_search: MakeSearch, trainer: Any, tmp_path: Path) -> None:
    every = tuple(f"random-{i}{retry}" for i in (1, 2, 3) for retry in ("", "-retry"))
    folder = make_search("random", "none", trainer(failing=every))
    assert read(str(folder)).sentence.startswith("failed: none of the 3 nets could be trained")
    assert main(["report", str(folder), "--out", str(tmp_path / "report")]) == 0


def test_a_stopped_net_is_shown_as_it_is(make_search: MakeSearch, trainer: Any) -> None:
    report = analyse([read(str(make_search("random", "part", trainer(dying="random-2"))))])
    (search,) = report["searches"]
    assert [net["status"] for net in search["nets"]] == ["done", "cut off"]
    assert search["best"]["trial"] == "random-1" and search["nets"][1]["accuracy"] == 0.1
    assert report["spaces"][0]["pareto"]["macs_m"] == [{"search": "s1", "trial": "random-1"}]
    assert report["spaces"][0]["cost"]["images"]["bands"]["s1"]["nets"] == 1


def test_a_search_that_was_given_more_is_not_finished(make_search: MakeSearch, trainer: Any) -> None:
    folder = make_search("random", "more", search__random={"count": 2})
    assert read(str(folder)).state == "finished"
    with pytest.raises(BaseException, match="^$"):  # a kill
        resume_search(folder, 3, trainer(dying="random-3"), lambda text: None)
    search = read(str(folder))
    assert (search.state, search.planned) == ("stopped", 3)


def test_a_net_that_was_tried_twice_is_one(make_search: MakeSearch, trainer: Any) -> None:
    report = analyse([read(str(make_search("random", "retried", trainer(failing=("random-1",)))))])
    nets = report["searches"][0]["nets"]
    labels = {net["trial"]: net["label"] for net in nets}
    assert labels["random-1-retry"] == labels["random-1"] != labels["random-2"]
    assert labels["random-2"].endswith("2") and labels["random-3"].endswith("3")


def test_seeds_with_trials_of_the_same_names_have_one_front(
    make_search: MakeSearch, trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [make_search("random", "seed-0", seed=0)]
    monkeypatch.setitem(trainer.train.__globals__, "ACCURACIES", (0.3, 0.1, 0.9))
    folders.append(make_search("random", "seed-1", seed=1))
    report = analyse([read(str(folder)) for folder in folders])
    found = [(net["search"], net["trial"]) for net in report["spaces"][0]["pareto"]["macs_m"]]
    assert found == [("s2", "random-1"), ("s2", "random-3")]
    shown = [(net["search"], net["trial"]) for net in ranked_nets(report) if "MACs" in net["front"]]
    assert sorted(shown) == found


def test_a_training_alone(make_search: MakeSearch, tmp_path: Path) -> None:
    done = make_search("two-step", "all") / "trials" / "train"
    (search,) = analyse([read(str(done))])["searches"]
    assert (search["strategy"], search["state"]) == ("single net", "finished")
    assert search["best"]["accuracy"] == 0.8 and search["best"]["label"] == "train"
    shutil.copytree(done, tmp_path / "begun")
    (tmp_path / "begun" / "result.json").unlink()
    unfinished = read(str(tmp_path / "begun"))
    assert "still running or was stopped" in unfinished.sentence
    assert analyse([unfinished])["searches"][0]["best"]["status"] == "cut off"


def experiment(folder: Path, source: Path, finished: bool, end: bool = True) -> Path:
    """The files of an in-process search as NNI and our tuner leave them."""
    folder = folder / "ab12cd34"
    trials = folder / "environments" / "local-env" / "trials"
    shutil.copytree(source / "trials", trials)
    state = json.loads((source / "state.json").read_text())["state"]
    about = {
        "strategy": state["strategy"],
        "planned": 5,
        "finished": finished,
        "failure": None,
        "error": None,
    }
    (folder / NNI_STATE).write_text(json.dumps({**about, "state": state}))
    (folder / "db").mkdir()
    with sqlite3.connect(folder / "db" / "nni.sqlite") as base:
        base.execute("CREATE TABLE ExperimentProfile (id, params, execDuration, revision)")
        base.execute(
            "CREATE TABLE TrialJobEvent (timestamp integer, trialJobId text, event text, data text, "
            "sequenceId integer)"
        )
        base.execute("CREATE TABLE MetricData (timestamp integer, trialJobId text, type text, data text)")
        profile = {
            "experimentName": "numbers",
            "tuner": {"className": "autostr_nni.nni.tuner.TwoStepTuner", "classArgs": {"recipe": "gone.yml"}},
        }
        base.execute("INSERT INTO ExperimentProfile VALUES (?, ?, 60, 1)", [folder.name, json.dumps(profile)])
        for place, trial in enumerate(state["trials"]):
            parameters = json.dumps({"parameters": trial["parameters"]})
            start = 1_000_000 + place * 10_000
            row = (start, trial["id"], "RUNNING", parameters, place)
            base.execute("INSERT INTO TrialJobEvent VALUES (?, ?, ?, ?, ?)", row)
            if trial["status"] == "done":
                row = (start + 9_000, trial["id"], "SUCCEEDED", None, place)
                base.execute("INSERT INTO TrialJobEvent VALUES (?, ?, ?, ?, ?)", row)
            if trial["metrics"]:
                packed = json.dumps(json.dumps(trial["metrics"]))
                values = (start + 8_000, trial["id"], packed)
                base.execute("INSERT INTO MetricData VALUES (?, ?, 'FINAL', ?)", values)
    return folder


def test_an_nni_experiment(make_search: MakeSearch, tmp_path: Path) -> None:
    folder = experiment(tmp_path, make_search("two-step", "all"), finished=True)
    search = read(str(folder))
    assert (search.name, search.id, search.kind) == ("numbers", "ab12cd34", "NNI experiment")
    assert search.sentence == "finished: 5 of 5 trials done" and search.recipe is None
    (found,) = analyse([search])["searches"]
    assert found["best"]["accuracy"] == 0.8 and found["wall_seconds"] == 49.0
    (folder / "recipe.json").write_text(json.dumps({"seed": 3}))
    assert read(str(folder)).recipe == {"seed": 3}


def test_an_nni_experiment_without_files_of_trials(make_search: MakeSearch, tmp_path: Path) -> None:
    """A training service elsewhere: the database alone tells the results."""
    folder = experiment(tmp_path, make_search("two-step", "all"), finished=True)
    shutil.rmtree(folder / "environments")
    (found,) = analyse([read(str(folder))])["searches"]
    assert found["best"]["accuracy"] == 0.8 and len(found["paths"]) == 3


def test_an_nni_experiment_without_a_database(make_search: MakeSearch, tmp_path: Path) -> None:
    folder = experiment(tmp_path, make_search("two-step", "all"), finished=True)
    (folder / "db" / "nni.sqlite").write_bytes(b"not a database")
    (found,) = analyse([read(str(folder))])["searches"]
    assert found["best"]["accuracy"] == 0.8 and found["done"] == 5


@pytest.mark.parametrize("alive", [True, False])
def test_an_unfinished_experiment(
    make_search: MakeSearch, trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    source = make_search("two-step", "part", trainer(dying="path-ABBAB"))
    folder = experiment(tmp_path, source, finished=False)
    monkeypatch.setattr(nni_history, "manager_of", lambda folder: alive or None)
    search = read(str(folder))
    assert search.sentence.startswith(
        "running: 2 of 5" if alive else "stopped before it was finished: 2 of 5"
    )
    assert search.trials[-1].status == ("running" if alive else "cut off")


def test_found_by_id(make_search: MakeSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    home = tmp_path / "home" / "nni-experiments"
    home.mkdir(parents=True)
    experiment(tmp_path / "elsewhere", make_search("two-step", "all"), finished=True)
    with pytest.raises(InputError, match="there is no search ab12cd34"):
        read("ab12cd34")
    (home / ".experiment").write_text(json.dumps({"ab12cd34": {"logDir": str(tmp_path / "elsewhere")}}))
    assert read("ab12cd34").name == "numbers"
    with pytest.raises(InputError, match="did you mean ab12cd34"):
        read("ab12cd35")
    (home / ".experiment").unlink()
    shutil.move(tmp_path / "elsewhere" / "ab12cd34", home)
    assert read("ab12cd34").name == "numbers"
    with pytest.raises(InputError, match="it holds ab12cd34: give one of them"):
        read(str(home))


def test_what_is_no_search(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no search's folder$"):
        read(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        read(str(tmp_path / "file"))
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        read(str(tmp_path))
