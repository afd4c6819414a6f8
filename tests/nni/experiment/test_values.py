"""Every wrong value of an experiment file has a sentence of its own: NNI is left nothing to refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.nni.experiment.file import KEYS, load_experiment
from autostr_nni.nni.experiment.values import OF_MACHINES, OF_SERVICES, RULES, seconds_of
from autostr_nni.nni.manager.launcher import _reason
from autostr_nni.system.errors import InputError

CONFIG: dict[str, Any] = {
    "trialCommand": "python -m autostr_nni.trial --recipe recipe.yml",
    "trialConcurrency": 2,
    "tuner": {"className": "autostr_nni.nni.tuner.TwoStepTuner", "classArgs": {"recipe": "recipe.yml"}},
    "trainingService": {"platform": "local"},
}
MACHINE = {"host": "machine1", "user": "me", "password": "secret"}
# Of every type that YAML has; what is right for some key is wrong for others.
VALUES = [
    -1,
    0,
    3,
    True,
    False,
    1.5,
    "",
    " ",
    "loud",
    "3",
    "2h",
    "-2h",
    "a\nb",
    [],
    [0, 0],
    [1, "a"],
    {},
    {"a": 1},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yml").write_text("data: {train: [train], validation: [validation]}\n")
    return tmp_path


def load(folder: Path, **changes: Any) -> Any:
    path = folder / "experiment.yml"
    path.write_text(yaml.safe_dump({**CONFIG, **changes}))
    return load_experiment(path)


def refused(folder: Path, key: str, **changes: Any) -> str | None:
    """What is said of a file, if it is refused; NNI itself takes all that is not."""
    from nni.experiment.config import ExperimentConfig

    try:
        experiment = load(folder, **changes)
    except InputError as error:
        told = str(error)
        assert key in told and "\n" not in told and told.startswith(str(folder)), (key, changes, told)
        return told
    ExperimentConfig(**experiment.config).validate()
    return None


def test_every_key_has_a_rule() -> None:
    assert set(KEYS) - set(RULES) == {"searchSpace", "tuner", "assessor", "trainingService"}


@pytest.mark.parametrize("key", KEYS)
def test_values_of_all_types(folder: Path, key: str) -> None:
    values = [value for value in VALUES if (key, value) != ("trialGpuNumber", 3) or value is True]
    told = [refused(folder, key, **{key: value}) for value in values]
    assert sum(sentence is not None for sentence in told) >= 8


@pytest.mark.parametrize("key", sorted(OF_SERVICES["local"]))
def test_values_of_the_local_service(folder: Path, key: str) -> None:
    needs_gpus = ("maxTrialNumberPerGpu", "trialGpuNumber")
    values = [value for value in VALUES if key not in needs_gpus or value != 3]
    told = [refused(folder, key, trainingService={"platform": "local", key: value}) for value in values]
    assert sum(sentence is not None for sentence in told) >= 8


@pytest.mark.parametrize("key", sorted(OF_MACHINES))
def test_values_of_a_machine(folder: Path, key: str) -> None:
    (folder / "loud").write_text("a key")
    (folder / "3").write_text("a key")
    (folder / "2h").write_text("a key")
    (folder / "-2h").write_text("a key")
    for value in VALUES:
        if (key, value) == ("maxTrialNumberPerGpu", 3):
            continue
        machine = {**MACHINE, key: value}
        refused(
            folder,
            key,
            trainingService={"platform": "remote", "machineList": [machine]},
            nniManagerIp="10.0.0.1",
        )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"logLevel": "loud"},
            "logLevel must be fatal or error or warning or info or debug or trace, not 'loud'",
        ),
        ({"logLevel": "warn"}, "not 'warn'; the nearest is warning"),
        ({"trialGpuNumber": -1}, "trialGpuNumber must be a whole number of at least 0, not -1"),
        ({"trialGpuNumber": True}, "trialGpuNumber must be a whole number of at least 0, not True"),
        (
            {"maxTrialDuration": "2 hours"},
            "maxTrialDuration must be a time, a number and s, m, h or d, such as 12h",
        ),
        ({"maxExperimentDuration": 0}, "maxExperimentDuration must be a time, .*, not 0"),
        ({"tunerGpuIndices": [0, 0]}, "tunerGpuIndices must be GPU numbers from 0, none twice"),
        ({"debug": "yes please"}, "debug must be true or false, not 'yes please'"),
        ({"experimentType": "nas"}, "experimentType must be hpo"),
        ({"max_trial_number": 12, "maxTrialNumber": 12}, "maxTrialNumber is given twice"),
        (
            {"trainingService": {"platform": "lokal"}},
            "trainingService.platform must be local or .*nearest is local",
        ),
        (
            {"trainingService": {"platform": "local", "gpuIndexes": 0}},
            "no key gpuIndexes; the nearest is gpuIndices",
        ),
        ({"trainingService": {"platform": "remote"}}, "trainingService.machineList is missing"),
        (
            {"trainingService": {"platform": "remote", "machineList": [{**MACHINE, "port": 0}]}},
            r"trainingService.machineList\[0\].port must be from 1 to 65535, not 0",
        ),
        (
            {"trainingService": {"platform": "remote", "machineList": [{"host": "a"}]}},
            r"trainingService.machineList\[0\].user is missing",
        ),
        (
            {"searchSpace": {"step": ["path"]}},
            r"searchSpace.step must be like \{_type: choice, _value: \[a, b\]\}",
        ),
        (
            {"searchSpace": {"step": {"_type": "choise", "_value": [1]}}},
            "step._type must be .*nearest is choice",
        ),
        (
            {"searchSpace": {"step": {"_type": "choice", "_value": []}}},
            "step._value must be a list with something",
        ),
    ],
)
def test_sentences(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load(folder, **changes)


def test_the_file_of_a_search_space_is_looked_into(folder: Path) -> None:
    (folder / "space.json").write_text('{"step": {"_type": "choice"}}')
    with pytest.raises(InputError, match=r"space.json.step must be like"):
        load(folder, searchSpaceFile="space.json")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2h", 7200),
        ("1.5D", 129600),
        ("90s", 90),
        (60, 60),
        ("0h", None),
        ("h", None),
        ("infh", None),
        (True, None),
    ],
)
def test_durations(written: Any, seconds: float | None) -> None:
    assert seconds_of(written) == seconds


def test_what_is_left_to_nni_has_its_condition() -> None:
    limit = 0
    try:
        assert limit > 0
    except AssertionError as error:
        error.args = ()
        assert _reason(error) == "NNI refuses this experiment file (assert limit > 0)"
