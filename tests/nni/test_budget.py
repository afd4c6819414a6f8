"""Giving more to a search that has used up its budget, through NNI's database and in-process."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.cli.main import main
from autostr_nni.inprocess.run import resume_search, run_search
from autostr_nni.nni.experiment.stored import Stored, read_stored
from autostr_nni.nni.resume import _recipe, with_budget
from autostr_nni.nni.state import keep_recipe
from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.strategies import build
from autostr_nni.system.errors import InputError


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return write_recipe(tmp_path, 3)


SETS = {"train": ["train"], "validation": ["validation"]}


def write_recipe(folder: Path, count: int, **extra: Any) -> Recipe:
    content = {
        "data": SETS,
        "search": {"random": {"count": count}},
        **extra,
    }
    (folder / "recipe.yml").write_text(yaml.safe_dump(content))
    return load_recipe(folder / "recipe.yml")


def stored(folder: Path, strategy: str, trials: int, running: int = 0, **params: Any) -> Stored:
    """An experiment as NNI leaves it, with so many trials that have ended and are running."""
    place = folder / "abcd1234"
    (place / "db").mkdir(parents=True)
    name = {"random": "RandomTuner", "two-step": "TwoStepTuner"}[strategy]
    tuner = {
        "className": f"autostr_nni.nni.tuner.{name}",
        "classArgs": {"recipe": str(folder / "recipe.yml")},
    }
    with closing(sqlite3.connect(place / "db/nni.sqlite")) as base, base:
        base.execute("CREATE TABLE ExperimentProfile (params, id, execDuration, endTime, revision)")
        base.execute("CREATE TABLE TrialJobEvent (trialJobId, event, timestamp, data, sequenceId)")
        base.execute("CREATE TABLE MetricData (trialJobId, type, data)")
        old, new = json.dumps({}), json.dumps({"tuner": tuner, **params})
        rows = [[old, "abcd1234", 0, None, 1], [new, "abcd1234", 3600, 5, 2]]
        base.executemany("INSERT INTO ExperimentProfile VALUES (?, ?, ?, ?, ?)", rows)
        for number in range(trials + running):
            events = ["RUNNING"] if number >= trials else ["RUNNING", "SUCCEEDED"]
            told = [[f"t{number}", event, 0, None, number] for event in events]
            base.executemany("INSERT INTO TrialJobEvent VALUES (?, ?, ?, ?, ?)", told)
    return read_stored(place)


def state_of(recipe: Recipe, strategy: str = "random", finished: bool = True) -> dict[str, Any]:
    return {"finished": finished, "state": build(strategy, recipe).state_dict()}


def test_a_random_search_is_given_more(tmp_path: Path, recipe: Recipe) -> None:
    experiment = stored(tmp_path, "random", 3, maxTrialNumber=3)
    assert experiment.in_flight == 0 and len(experiment.trials) == 3
    assert with_budget(experiment, recipe, state_of(recipe), None, None) is experiment  # only shows its end
    with_budget(experiment, recipe, state_of(recipe), 5, None)
    again = read_stored(experiment.folder)
    assert again.params["tuner"]["classArgs"] == {"recipe": str(tmp_path / "recipe.yml"), "count": 5}
    assert "maxTrialNumber" not in again.params
    with pytest.raises(InputError, match="--max-trials 2: the search has 3 architectures already"):
        with_budget(experiment, recipe, state_of(recipe), 2, None)


def test_a_larger_count_in_the_recipe_gives_more_too(tmp_path: Path, recipe: Recipe) -> None:
    experiment = stored(tmp_path, "random", 3, maxTrialNumber=3)
    state = state_of(recipe)
    given = with_budget(experiment, write_recipe(tmp_path, 12), state, None, None)
    assert given.params["tuner"]["classArgs"]["count"] == 12 and "maxTrialNumber" not in given.params


def test_nnis_own_limits(tmp_path: Path, recipe: Recipe) -> None:
    experiment = stored(tmp_path, "two-step", 4, running=1, maxTrialNumber=4)
    state = state_of(recipe, "two-step", finished=False)
    told = r"used up its maxTrialNumber of 4; give it more with: autostr resume \S+ --max-trials 16$"
    with pytest.raises(InputError, match=told):
        with_budget(experiment, recipe, {**state, "planned": 12}, None, None)
    with pytest.raises(InputError, match="--max-trials 4: .* has had 4 trials already"):
        with_budget(experiment, recipe, state, 4, None)
    with_budget(experiment, recipe, state, 20, "2h")
    again = read_stored(experiment.folder)
    assert again.params["maxTrialNumber"] == 20 and again.params["maxExperimentDuration"] == "2h"
    with pytest.raises(
        InputError, match="maxExperimentDuration of 1h; give it more with: .* --max-duration 7200s$"
    ):
        with_budget(again, recipe, state, None, "1h")
    with pytest.raises(InputError, match="--max-duration soon: write a number and s, m, h or d"):
        with_budget(again, recipe, state, None, "soon")
    with pytest.raises(InputError, match="is finished; it has no use for more trials"):
        with_budget(again, recipe, {**state, "finished": True}, 30, None)


def test_a_changed_recipe_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    experiment = stored(tmp_path, "two-step", 4)
    keep_recipe(experiment.folder, recipe.model_dump(mode="json"))
    write_recipe(tmp_path, 9, evaluation={"batch_size": 3}, training={"device": "cpu"})
    assert _recipe(experiment) is not None  # nothing that could change a result
    write_recipe(tmp_path, 3, training={"epochs": 2})
    with pytest.raises(
        InputError, match=r"training\.epochs is 2 and was 12 when the experiment abcd1234 began"
    ):
        _recipe(experiment)


def test_a_grown_search_has_the_same_first_ones(recipe: Recipe) -> None:
    few, many = build("random", recipe), build("random", recipe.with_count(12))
    first = few.suggest()
    for proposal in first:
        few.observe(proposal.id, {"default": 0.5, "loss": 1.0})
    assert few.finished
    many.load_state_dict(few.state_dict())
    assert not many.finished and many.planned == 12
    added = many.suggest()
    assert len(added) == 9 and not {p.id for p in added} & {p.id for p in first}
    whole = [trial.parameters for trial in build("random", recipe.with_count(12)).trials]
    assert [trial.parameters for trial in many.trials] == whole


def test_in_process(tmp_path: Path, recipe: Recipe) -> None:
    ran = []

    def trial(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Any) -> dict[str, Any]:
        ran.append(parameters)
        if len(ran) == 2 and interrupted:
            raise KeyboardInterrupt
        return {"default": len(ran) / 10, "loss": 1.0}

    def quiet(line: str) -> None:
        pass

    folder, interrupted = tmp_path / "runs" / "mine", True
    with pytest.raises(KeyboardInterrupt):
        run_search(build("random", recipe), recipe, folder, trial, quiet)
    interrupted = False
    found = resume_search(folder, None, trial, quiet)
    assert found["trials"] == 3 and len(ran) == 4 and ran[1] == ran[2]
    found = resume_search(folder, 5, trial, quiet)
    assert found["trials"] == 5 and len(ran) == 6
    with pytest.raises(InputError, match="has 5 architectures already; give it more than that"):
        resume_search(folder, 5, trial, quiet)
    # The experiment's own command goes on as well, with the recipe's count raised.
    grown = write_recipe(tmp_path, 6)
    assert run_search(build("random", grown), grown, folder, trial, quiet)["trials"] == 6


def test_a_recipe_that_has_changed_since(tmp_path: Path, recipe: Recipe) -> None:
    """What changes no result counts, and so do more nets; else it goes on by what it keeps, and says so."""
    folder, seen, said = tmp_path / "runs" / "mine", [], []

    def trial(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Any) -> dict[str, Any]:
        seen.append((recipe.training.epochs, recipe.data.workers))
        if len(seen) in (2, 4, 6, 8):
            raise KeyboardInterrupt
        return {"default": 0.5, "loss": 1.0}

    with pytest.raises(KeyboardInterrupt):
        run_search(build("random", recipe), recipe, folder, trial, said.append)

    def go_on() -> list[str]:
        said.clear()
        with pytest.raises(KeyboardInterrupt):
            resume_search(folder, None, trial, said.append)
        return [line for line in said if line.startswith("note: ")]

    source = write_recipe(tmp_path, 5, data={**SETS, "workers": 7}).source
    assert go_on() == [] and seen[2:] == [(12, 7)] * 2
    write_recipe(tmp_path, 5, training={"epochs": 2})
    kept = "the search goes on by the recipe that its folder keeps"
    assert go_on() == [f"note: {source}: training.epochs is 2 and was 12 when the search began; {kept}"]
    assert seen[4:] == [(12, seen[3][1])] * 2
    source.write_text("training: {epoch: 2}")
    (told,) = go_on()
    assert told.startswith(f"note: {source}") and told.endswith(kept)
    source.unlink()
    assert resume_search(folder, None, trial, said.append)["trials"] == 5


def test_more_nets_than_the_file_says_stay(tmp_path: Path, recipe: Recipe) -> None:
    """A search that was given more by an option, and stopped before it had told so."""
    folder, ran = tmp_path / "runs" / "mine", []

    def trial(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Any) -> dict[str, Any]:
        ran.append(parameters)
        if len(ran) == 4:
            raise KeyboardInterrupt
        return {"default": 0.5, "loss": 1.0}

    run_search(build("random", recipe), recipe, folder, trial, print)
    with pytest.raises(KeyboardInterrupt):
        resume_search(folder, 5, trial, print)
    assert resume_search(folder, None, trial, print)["trials"] == 5


def test_a_folder_whose_recipe_may_not_be_looked_at(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a home of somebody else's: it goes on by what it keeps."""
    folder = tmp_path / "runs" / "mine"
    result = {"default": 0.5, "loss": 1.0}
    found = run_search(build("random", recipe), recipe, folder, lambda *given: result, print)
    look = Path.is_file

    def refused(path: Path) -> bool:
        if path == recipe.source:
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert resume_search(folder, None, lambda *given: result, print) == found


def test_the_command_in_process(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trial(parameters: dict[str, Any], recipe: Recipe, folder: Path, report: Any) -> dict[str, Any]:
        print("a trial's own words")
        return {"default": 0.5, "loss": 1.0}

    run_search(build("random", recipe), recipe, tmp_path / "run", trial, lambda line: None)
    monkeypatch.setattr("autostr_nni.training.run_trial.run_proposal", trial)
    monkeypatch.setattr("autostr_nni.data.sets.prepare.prepare_data", lambda recipe, log: None)
    assert main(["resume", str(tmp_path / "run"), "--max-trials", "4", "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out[captured.out.index("{") :])
    assert result["trials"] == 4 and result["failure"] is None
    assert f"continuing in {tmp_path / 'run'}: 3 trials done" in captured.err
    assert main(["resume", str(tmp_path / "run"), "--port", "8080"]) == 2
    assert "is a search without NNI: leave out --port" in capsys.readouterr().err
