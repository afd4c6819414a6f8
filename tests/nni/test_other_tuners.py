"""Tuners that are not ours: by NNI's name or by class, what they may draw, and what their end is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.nni.experiment.algorithms import REFUSED
from autostr_nni.nni.experiment.file import load_experiment
from autostr_nni.nni.manager.running import IDLE_LOOKS, follow
from autostr_nni.runs.summary import best_of_all
from autostr_nni.runs.told import summary_text
from autostr_nni.runs.trial_record import TrialRecord
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.system.errors import InputError

CONFIG: dict[str, Any] = {
    "trialCommand": "python -m autostr_nni.trial --recipe recipe.yml",
    "trialConcurrency": 1,
    "maxTrialNumber": 3,
    "trainingService": {"platform": "local"},
}
OURS = " or ".join(
    f"autostr_nni.nni.tuner.{name}Tuner" for name in ("TwoStep", "Halving", "OneShot", "Random", "Strategy")
)


def load(folder: Path, **changes: Any) -> Any:
    (folder / "recipe.yml").write_text("data: {train: [train], validation: [validation]}\n")
    (folder / "experiment.yml").write_text(yaml.safe_dump({**CONFIG, **changes}))
    return load_experiment(folder / "experiment.yml")


@pytest.mark.parametrize("name", ["TPE", "random", "Evolution", "GridSearch"])
def test_names_of_nni_work_on_flat_choices(tmp_path: Path, name: str) -> None:
    from nni.experiment.config import ExperimentConfig
    from nni.tools.package_utils import create_builtin_class_instance

    experiment = load(tmp_path, tuner={"name": name})
    ExperimentConfig(**experiment.config).validate()
    assert experiment.recipe is not None and experiment.strategy_name is None
    tuner = create_builtin_class_instance(name, {}, "tuners")
    tuner.update_search_space(experiment.config["searchSpace"])
    for parameters in tuner.generate_multiple_parameters(list(range(3))):
        Architecture.from_parameters(parameters, experiment.recipe.space())


def test_whatever_is_drawn_can_be_built(tmp_path: Path) -> None:
    experiment = load(tmp_path, tuner={"className": "nni.algorithms.hpo.tpe_tuner.TpeTuner"})
    space, rng = experiment.config["searchSpace"], random.Random(0)
    assert space["step"]["_value"] == ["train"]
    for _ in range(200):
        drawn = {key: rng.choice(choice["_value"]) for key, choice in space.items()}
        Architecture.from_parameters(drawn, experiment.recipe.space())


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_the_others_are_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot search here: it .*; use ") as caught:
        load(tmp_path, tuner={"name": name.upper()})
    assert OURS in str(caught.value) or "use name: " in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"tuner": {"name": "Rondom"}},
            "'Rondom' is none of TPE, Random, .*nearest is Random; use one, or set",
        ),
        ({"tuner": {"name": 3}}, "tuner.name 3 is none of TPE"),
        (
            {"tuner": {"name": "TPE", "classArgs": {"recipe": "recipe.yml"}}},
            "classArgs are not those of TpeTuner",
        ),
        (
            {"tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximise"}}},
            "tuner.classArgs.optimize_mode must be maximize or minimize, not 'maximise'",
        ),
        ({"tuner": {"name": "TPE", "className": "a.B"}}, "tuner has both a name and a className"),
        ({"tuner": {"name": "TPE", "codeDirectory": "."}}, "tuner.codeDirectory goes with a className"),
        (
            {"tuner": {"className": "nni.algorithms.hpo.gp_tuner.GPTuner"}},
            "cannot search here: it draws numbers",
        ),
        ({"tuner": {"className": "nni.algorithms.hpo.nothing.Tuner"}}, "tuner nni.*Tuner cannot be loaded"),
        (
            {"tuner": {"name": "TPE"}, "maxTrialNumber": None},
            "maxTrialNumber is missing: NNI's own tuners go on",
        ),
        ({"tuner": {"name": "TPE"}, "trialCommand": "python mine.py"}, "the key searchSpace is missing"),
    ],
)
def test_faults(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load(tmp_path, **changes)


def test_choices_of_which_nothing_can_be_built(tmp_path: Path) -> None:
    """As the axes of our own searches, which list all that any trial may carry."""
    space = load(tmp_path, tuner={"name": "TPE"}).config["searchSpace"]
    assert load(tmp_path, tuner={"name": "TPE"}, searchSpace=space).config["searchSpace"] == space
    wrong = {
        "op_01": (
            ["k3e1", "skip"],
            "op_01 has 'skip' beside the path .*cannot be skip.*; leave searchSpace out",
        ),
        "op_02": (["k3e1", "k9e9"], "op_02 has 'k9e9'"),
        "stride_path": (["ABABB", "AAAAA"], "op_01 has 'k3e1' beside the path AAAAA"),
        "step": (["path", "operators", "train"], "step must be a choice of train alone"),
    }
    for key, (values, sentence) in wrong.items():
        changed = {**space, key: {"_type": "choice", "_value": values}}
        with pytest.raises(InputError, match=f"searchSpace: {sentence}"):
            load(tmp_path, tuner={"name": "TPE"}, searchSpace=changed)
    with pytest.raises(InputError, match="parameter op_15 is missing"):
        load(tmp_path, tuner={"name": "TPE"}, searchSpace={k: v for k, v in space.items() if k != "op_15"})


@pytest.mark.slow("runs NNI")
def test_a_finished_run_has_its_best_trial_as_result(project: Any, tiny_search: Callable[..., Path]) -> None:
    config = yaml.safe_load(tiny_search(project.folder).read_text())
    tuner = {"className": "nni.algorithms.hpo.tpe_tuner.TpeTuner", "classArgs": {"optimize_mode": "maximize"}}
    project.config.write_text(yaml.safe_dump({**config, "tuner": tuner, "maxTrialNumber": 2}))
    started = project.autostr("--json", "--out", str(project.experiments))
    output, told = started.communicate(timeout=180)
    assert started.returncode == 0, told
    result = json.loads(output)
    assert result["failure"] is None and result["status"] == "DONE" and len(result["architectures"]) == 2
    assert result["best"]["word_accuracy"] == max(row["word_accuracy"] for row in result["architectures"])
    assert result["best"]["test"]["numbers"]["words"] == 24
    from autostr_nni.report.reading.nni_history import read_experiment

    history = read_experiment(Path(result["folder"]))
    assert history.state == "finished" and history.failure is None and history.strategy == "TpeTuner"
    assert history.recipe is not None


def record(number: int, default: float | None, **parameters: Any) -> TrialRecord:
    metrics = None if default is None else {"default": default}
    return TrialRecord(f"t{number}", parameters, metrics)


def test_the_best_of_all() -> None:
    trials = [record(1, 0.2, lr=0.1), record(2, 0.7, lr=0.2), record(3, None, lr=0.3)]
    found = best_of_all(trials)
    assert found["best"]["trial"] == "t2" and found["failed"] == ["t3"]
    assert "Best architecture: lr 0.2" in summary_text(found)
    assert best_of_all(trials, minimize=True)["best"]["trial"] == "t1"
    assert best_of_all(trials[2:])["best"] is None
    mixed = [record(1, 0.9, step="operators"), record(2, 0.1, step="train", stride_path="ABABB")]
    assert best_of_all(mixed)["best"]["trial"] == "t2"  # figures of other steps are not compared


class Running:
    """An experiment whose tuner has no more trials: NNI calls that neither done nor anything else."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)

    def status(self) -> tuple[str, list[str]]:
        return "TUNER_NO_MORE_TRIAL", []

    def rows(self) -> list[dict[str, Any]]:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return [{"status": status}]


def test_a_tuner_without_more_trials_is_done() -> None:
    looks: list[Any] = []
    running: Any = Running("SUCCEEDED", "RUNNING", "RUNNING", "SUCCEEDED")
    status, _, rows = follow(running, looks.append, lambda: True, interval=0.01)
    assert status == "DONE" and rows == [{"status": "SUCCEEDED"}] and len(looks) == 3 + IDLE_LOOKS
