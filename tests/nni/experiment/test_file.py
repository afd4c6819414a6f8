"""What is wrong with an experiment file is said in one sentence that names file, key and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.system.errors import InputError

RECIPE = {"data": {"train": ["train"], "validation": ["validation"]}, "search": {"random": {"count": 3}}}
CONFIG: dict[str, Any] = {
    "experimentName": "a search",
    "trialCommand": "python -m autostr_nni.trial --recipe recipe.yml",
    "trialConcurrency": 2,
    "tuner": {"className": "autostr_nni.nni.tuner.TwoStepTuner", "classArgs": {"recipe": "recipe.yml"}},
    "trainingService": {"platform": "local"},
}


def write(folder: Path, **changes: Any) -> Path:
    (folder / "recipe.yml").write_text(yaml.safe_dump(RECIPE))
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    (folder / "experiment.yml").write_text(yaml.safe_dump(config))
    return folder / "experiment.yml"


def tuner(**changes: Any) -> dict[str, Any]:
    return {**CONFIG["tuner"], **changes}


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    experiment = load_experiment(write(tmp_path, experimentWorkingDirectory="kept"))
    config = experiment.config
    assert config["trialCodeDirectory"] == config["tuner"]["codeDirectory"] == str(tmp_path)
    assert config["tuner"]["classArgs"] == {"recipe": str(tmp_path / "recipe.yml")}
    assert experiment.directory == tmp_path / "kept"
    assert experiment.strategy().planned == 12  # type: ignore[union-attr]


def test_nni_takes_the_file(tmp_path: Path) -> None:
    from nni.experiment.config import ExperimentConfig

    ExperimentConfig(**load_experiment(write(tmp_path)).config).validate()


@pytest.mark.parametrize(("name", "steps"), [("TwoStepTuner", 4), ("RandomTuner", 1)])
def test_choices_are_declared_where_the_file_gives_none(tmp_path: Path, name: str, steps: int) -> None:
    path = write(tmp_path, tuner=tuner(className=f"autostr_nni.nni.tuner.{name}"))
    experiment = load_experiment(path)
    space = experiment.config["searchSpace"]
    assert len(space["step"]["_value"]) == steps
    assert "ABABB" in space["stride_path"]["_value"]
    for trial in experiment.strategy().trials:  # type: ignore[union-attr]
        assert all(value in space[key]["_value"] for key, value in trial.parameters.items())


@pytest.mark.parametrize("key", ["platform", "Platform"])
def test_a_platform_that_is_not_looked_into(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, trainingService={key: "openpai", "host": "a"})
    assert load_experiment(path).config["trainingService"] == {"platform": "openpai", "host": "a"}


def test_a_recipe_of_nobodys_is_left_to_the_trials(tmp_path: Path) -> None:
    """As one that lies on another machine is."""
    command = "python -m autostr_nni.trial --recipe ~nobody-here/recipe.yml"
    assert load_experiment(write(tmp_path, trialCommand=command)).config["trialCommand"] == command


def test_spelling_of_keys_is_nnis(tmp_path: Path) -> None:
    path = write(
        tmp_path, trialCommand=None, trial_command="python x.py", trialConcurrency=None, TrialConcurrency=3
    )
    experiment = load_experiment(path)
    assert experiment.concurrency == 3 and experiment.config["trialCommand"] == "python x.py"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"trialCommand": None}, "the key trialCommand is missing"),
        ({"trialConcurency": 2}, "there is no key trialConcurency; the nearest is trialConcurrency"),
        ({"trialConcurrency": 0}, "trialConcurrency must be a whole number of at least 1, not 0"),
        ({"maxTrialNumber": 5}, "maxTrialNumber is 5, but this search has 12 trials"),
        (
            {"trialCodeDirectory": "nowhere"},
            "trialCodeDirectory names the folder .*nowhere, which does not exist",
        ),
        ({"searchSpaceFile": "space.json"}, "searchSpaceFile names .*space.json, which does not exist"),
        ({"trainingService": {"platform": "local", "reuseMode": True}}, "reuseMode is not usable"),
        ({"trainingService": "local"}, "trainingService must be like"),
        (
            {"searchSpace": {1: {"_type": "choice", "_value": ["a"]}}},
            "searchSpace: the key 1 must be text; write it in quotes",
        ),
        (
            {"tuner": tuner(className="autostr_nni.nni.tuner.ThreeStepTuner")},
            "ThreeStepTuner' does not exist; use",
        ),
        ({"tuner": {}}, "tuner.className is missing; use autostr_nni.nni.tuner"),
        ({"tuner": tuner(className="nowhere.Tuner")}, "'nowhere.Tuner' does not exist; use"),
        ({"tuner": tuner(classArgs={})}, "tuner.classArgs must be {recipe: FILE}"),
        (
            {"tuner": tuner(classArgs={"recipe": "other.yml"})},
            "classArgs.recipe names .*other.yml, which does not",
        ),
        (
            {"tuner": tuner(classArguments={})},
            "tuner: there is no key classArguments; the nearest is classArgs",
        ),
    ],
)
def test_faults_of_the_file(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(InputError, match=sentence) as caught:
        load_experiment(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_faults_of_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "recipe.yml").write_text(yaml.safe_dump({**RECIPE, "sead": 1}))
    with pytest.raises(InputError, match="recipe.yml.*sead"):
        load_experiment(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no experiment file"):
        load_experiment(tmp_path / "missing.yml")
    with pytest.raises(InputError, match="is a folder"):
        load_experiment(tmp_path)
    broken = tmp_path / "broken.yml"
    broken.write_text("tuner: {name: [\n")
    with pytest.raises(InputError, match=r"broken.yml:\d: is not valid YAML"):
        load_experiment(broken)
    broken.write_text("just words\n")
    with pytest.raises(InputError, match="is no experiment file"):
        load_experiment(broken)


def test_in_process_json_is_all_of_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from autostr_nni.cli.main import main
    from autostr_nni.inprocess import run

    def run_search(strategy: Any, recipe: Any, folder: Path, log: Any, places: Any) -> dict[str, Any]:
        print("a trial's own words")
        log("progress")
        return {"failure": "nothing was found", "folder": str(folder)}

    monkeypatch.setattr(run, "run_search", run_search)
    monkeypatch.setattr("autostr_nni.data.sets.prepare.check_sets", lambda recipe, log: None)
    out = str(tmp_path / "kept")
    assert main(["search", str(write(tmp_path)), "--in-process", "--json", "--out", out]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"failure": "nothing was found", "folder": out}
    assert "a trial's own words" in captured.err and "progress" in captured.err
    assert captured.err.endswith("autostr: error: nothing was found\n")
    assert main(["search", str(write(tmp_path)), "--in-process", "--port", "8080"]) == 2


def test_trials_by_another_recipe_than_the_search(tmp_path: Path) -> None:
    """Else a search over one recipe would rank nets that were trained by another."""
    other = "python -m autostr_nni.trial --recipe other.yml"
    path = write(tmp_path, trialCommand=other)
    search = {**RECIPE["search"], "operators": {"beta": 0.1}}
    (tmp_path / "other.yml").write_text(yaml.safe_dump({**RECIPE, "search": search}))
    with pytest.raises(InputError) as error:
        load_experiment(path)
    assert "search.operators.beta is 0.1 there, and 0.6 here; name the same in both" in str(error.value)
    assert f"trialCommand names {tmp_path / 'other.yml'}" in str(error.value)
    (tmp_path / "other.yml").write_text(yaml.safe_dump({**RECIPE, "training": {"threads": 2}}))
    load_experiment(path)  # what cannot change a result may differ
    load_experiment(write(tmp_path, trialCommand='python -m autostr_nni.trial --recipe "$HOME/r.yml"'))
