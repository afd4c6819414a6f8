"""Wrong recipes: each fault is named with file, line, dotted key and the nearest right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from autostr_nni.recipe import load_recipe
from autostr_nni.system.errors import InputError

BASE = "data: {train: [a], validation: [b], charset: digits}\n"

# What is added to a good recipe, and what the message must hold (after `file:line: `).
FAULTS = {
    "traning: {}": "traning is no key of a recipe; nearest is training",
    "training: {epocs: 3}": "training.epocs is no key of a recipe; nearest is training.epochs",
    "training: {lr: 3}": "nearest is training.optimizer.lr",
    "training: {epochs: -3}": "training.epochs must be at least 1, not -3",
    "training: {epochs: 0}": "training.epochs must be at least 1, not 0",
    "training: {epochs: '3'}": "training.epochs must be a whole number, not '3'",
    "training: {epochs: 3.0}": "training.epochs must be a whole number, not 3.0",
    "training: {epochs: true}": "training.epochs must be a whole number, not True",
    "training: {milestones: [3, 2]}": "training.milestones must rise, not [3, 2]",
    "training: {milestones: [0, 2]}": "training.milestones.0 must be at least 1",
    "training: {precision: 32}": 'put quotes around it: "32"',
    "training: {precision: bf16}": "nearest is 'bf16-mixed'",
    "training: {device: gpu}": "training.device must be auto, cpu, cuda or one GPU such as cuda:0",
    "training: {clip: .nan}": "training.clip must be a finite number",
    "training: {gamma: 2}": "training.gamma must be at most 1",
    "training: {optimizer: {name: adm}}": "nearest is 'adam'",
    "training: {optimizer: {name: adam, rho: 0.8}}": "training.optimizer.rho is no option of adam",
    "training: {optimizer: {betas: [0.9, 0.99]}}": "training.optimizer.betas is no option of adadelta",
    "training:": "training must be a mapping of keys to values, not nothing",
    "model: {image: [30, 100]}": "model.image: no stride path of 15 layers leads from 30x100 to 1x25",
    "model: {image: [32, 102]}": "model.image: width 102 must be a multiple of 4",
    "model: {image: [32]}": "model.image must have more values",
    "model: {image: 32}": "model.image must be a list, not 32",
    "model: {image: [64, 100]}": "search.path.paths: no typical path takes 64x100",
    "model: {stage_widths: [3, 4]}": "model.stage_widths has 2 values and stage_layers 5",
    "model: {rectifier: false}": "model.rectifier must be a mapping",
    "model: {rectifier: {points: 5}}": "model.rectifier.points must be even",
    "model: {rectifier: {localization: [16, 64]}}": "each side must be at least 32",
    "search: {path: {paths: [AABBB, AAABB]}}": "search.path.paths: AAABB does not take 32x100 to 1x25",
    "search: {path: {paths: [AAXBB]}}": "search.path.paths: stride path 'AAXBB' has 'X'",
    "search: {path: {paths: [AABBB, A..A..B..B..B..]}}": "AABBB and A..A..B..B..B.. are the same path",
    "search: {path: {paths: typicl}}": "search.path.paths must be typical, a number of paths to be drawn, or",
    "search: {path: {paths: 0}}": "search.path.paths must be 1 to 1000 paths, not 0",
    "search: {path: {paths: 1001}}": "search.path.paths must be 1 to 1000 paths, not 1001",
    "search: {path: {paths: 11}}\nmodel: {stage_layers: [1, 1, 1, 1, 1]}": "on 10 paths alone, not on 11",
    "search: {path: {epochs: 4, rungs: [1, 3]}}": ": search.path.rungs: the last of [1, 3] must be "
    "search.path.epochs, which is 4",
    "search: {path: {epochs: 3, rungs: [2, 1, 3]}}": "search.path.rungs: [2, 1, 3] must rise",
    "search: {operators: {finalists: 0}}": "search.operators.finalists",
    "search: {path: {paths: []}}": "search.path.paths is an empty list",
    "search: {path: {default_operation: skip}}": "search.path.default_operation is 'skip'",
    "search: {operators: {operations: [k3e1, k5f6]}}": "no operation 'k5f6'; nearest is 'k5e6'",
    "search: {operators: {operations: [k3e1, k3e1]}}": "names k3e1 more than once",
    "search: {operators: {operations: [skip]}}": "needs an operation besides skip",
    "search: {operators: {budget_m: 0}}": "search.operators.budget_m must be greater than 0",
    "search: {operators: {budget_m: 3}}": "is below the smallest net on the path AABBB",
    "search: {operators: {beta: -1}}": "search.operators.beta must be at least 0",
    "search: {random: {paths: some}}": "search.random.paths must be 'all' or 'typical'",
    "search: 3": "search must be a mapping",
    "seed: -1": "seed must be at least 0",
    "seed: null": "seed must be a whole number, not nothing",
    "evaluation: {decoding: beem}": "nearest is 'beam'",
    "evaluation: {metric: CER}": "nearest is 'cer'",
    "evaluation: {metric: case_sensitive}": "case_sensitive says no more than word_accuracy",
    "1: 3": "must have text for keys",
}


def message(folder: Path, text: str) -> str:
    path = folder / "recipe.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    found = str(caught.value)
    assert found.startswith(str(path))
    assert "\n" not in found
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(tmp_path: Path, fault: str) -> None:
    found = message(tmp_path, f"{BASE}{fault}\n")
    assert FAULTS[fault] in found
    if not fault.startswith(("1:", "model: {image: [64")):  # these have no line of their own
        assert "recipe.yml:2: " in found


DATA_FAULTS = {
    "{train: [a]}": "data.validation is missing",
    "{train: [{set: a, weight: -1}], validation: [b]}": "data.train.0.weight must be at least 0, not -1",
    "{train: [{set: a, weight: 0}, {set: c, weight: 0}], validation: [b]}": "gives every set a weight of 0",
    "{train: [{set: a, weight: 0.5}, c], validation: [b]}": "a weight and {folder}/c none; give every set",
    "{train: [{set: a, weight: 1}, {set: a, weight: 2}], validation: [b]}": "twice, with the weights 1 and 2",
    "{train: [{set: a, wieght: 1}], validation: [b]}": "nearest is data.train.0.weight",
    "{train: [{set: a, filter: alfanumeric}], validation: [b]}": "nearest is 'alphanumeric'",
    "{train: [{weight: 1}], validation: [b]}": "data.train.0.set is missing",
    "{train: [a], validation: [b], test: {t: {set: c, weight: 1}}}": "gives t a weight, but test sets are",
    "{train: [a], validation: [b], validation_of: {rankin: [c]}}": "nearest is data.validation_of.ranking",
    "{train: a, validation: [b]}": "data.train must be a list, not 'a'",
    "{train: [], validation: [b]}": "data.train must have at least 1 value, not []",
    "{train: [3], validation: [b]}": "data.train.0 must be a path, not 3",
    "{train: [''], validation: [b]}": "data.train.0 must be a path, not an empty text",
    "{train: [a], validation: [b], charset: abca}": "data.charset has characters more than once: 'a'",
    '{train: [a], validation: [b], charset: "abc\\n"}': "holds '\\n', which is no character of a word",
    "{train: [a], validation: [b], charset: digts}": "nearest is 'digits'",
    "{train: [a], validation: [b], charset: 0123}": "data.charset must be text (put quotes around it)",
    "{train: [a], validation: [b], charset: ''}": "data.charset must not be empty",
    "{train: [a], validation: [b], test: {x: 3}}": "data.test.x must be a path",
    "{train: [a], validation: [b], test: [q, q]}": "data.test names 'q' twice",
    "{train: [a], validation: [b], workers: -1}": "data.workers must be at least 0",
    "{train: [a], validation: [b], synth: {a: {count: 3, styl: mild}}}": "nearest is data.synth.a.style",
    "{train: [a], validation: [b], synth: {a: {count: 3, digits: [3, 1]}}}": "data.synth.a.digits must rise",
}


@pytest.mark.parametrize("fault", DATA_FAULTS)
def test_fault_in_data_is_named(tmp_path: Path, fault: str) -> None:
    found = message(tmp_path, f"data: {fault}\n")
    assert DATA_FAULTS[fault].replace("{folder}", str(tmp_path)) in found
    assert "recipe.yml:1: " in found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = message(tmp_path, BASE + "seed: -1\ntraining:\n  epochs: 0\n  batch_size: x\n")
    for part in (":2: seed", ":4: training.epochs", ":5: training.batch_size"):
        assert part in found


def test_many_faults_are_cut(tmp_path: Path) -> None:
    found = message(tmp_path, BASE + "".join(f"wrong{n}: 1\n" for n in range(9)))
    assert found.endswith("; and 4 more")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("- a\n", "must be a mapping of keys to values, not list"),
        (BASE + "seed: 1\nseed: 2\n", ":3: seed is given twice, first on line 2"),
        (BASE + "model: {image: [32, 100], image: [32, 64]}\n", ":2: model.image is given twice"),
        (BASE + "seed: [1\n", ":3: is not valid YAML"),
        (BASE + "\tseed: 3\n", ":2: is not valid YAML"),
        (BASE + "seed: !!python/object:os.system x\n", ":2: is not valid YAML"),
        ("data: {? [a]: 3}\n", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML"),
    ],
)
def test_bad_yaml(tmp_path: Path, text: str, part: str) -> None:
    assert part in message(tmp_path, text)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load_recipe(tmp_path / "none.yml")
    with pytest.raises(InputError, match="is a folder"):
        load_recipe(tmp_path)
    (tmp_path / "x.yml").write_bytes(b"seed: \xff")
    with pytest.raises(InputError, match="not UTF-8"):
        load_recipe(tmp_path / "x.yml")
