"""Bad input on the command line: one sentence that names what is wrong and how to mend it, exit status 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest
import yaml

from autostr_nni.cli.main import main
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.recipe.checks import extras

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs the command and returns the one sentence in which it refuses."""

    def run(*argv: str) -> str:
        capsys.readouterr()
        assert main(argv) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("autostr: error: ") and captured.err.count("\n") == 1
        assert "Traceback" not in captured.err + captured.out
        return captured.err

    return run


@pytest.fixture
def project(tiny_search: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny search, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    return tiny_search(tmp_path).parent


def change(project: Path, key: str, value: Any) -> None:
    """Set a dotted key of the recipe; None takes it out."""
    content = yaml.safe_load((project / "recipe.yml").read_text())
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    if value is None:
        del place[last]
    (project / "recipe.yml").write_text(yaml.safe_dump(content))


RECIPES = {
    "unknown key": ("training.epocs", 3, "training.epocs is no key", "nearest is training.epochs"),
    "unknown section": ("traning", {}, "traning is no key", "nearest is training"),
    "text for a number": ("training.epochs", "3", "training.epochs must be a whole number, not '3'"),
    "number for a text": ("data.charset", 10, "data.charset must be text"),
    "missing key": ("data.validation", None, "data.validation is missing"),
    "impossible value": ("model.image", [30, 32], "model.image: no stride path"),
    "path outside P": ("search.path.paths", ["AABBB", "AAABB"], "AAABB does not take 32x32 to 1x8"),
    "unknown operation": ("search.operators.operations", ["k3e1", "k4e1"], "no operation 'k4e1'; nearest is"),
    "budget below every net": ("search.operators.budget_m", 0.001, "below the smallest net"),
}


@pytest.mark.parametrize("fault", RECIPES)
@pytest.mark.parametrize(
    "command",
    [
        ["search", "experiment.yml"],
        ["search", "experiment.yml", "--in-process"],
        ["train", "aster", "--recipe", "recipe.yml", "--out", "out"],
        ["space", "--recipe", "recipe.yml"],
        ["describe", "aster", "--recipe", "recipe.yml"],
    ],
    ids=" ".join,
)
def test_a_faulty_recipe(project: Path, refused: Refused, fault: str, command: list[str]) -> None:
    key, value, *parts = RECIPES[fault]
    change(project, key, value)
    told = refused(*command)
    assert "recipe.yml" in told and all(part in told for part in parts)
    assert not (project / "out").exists() and not (project / "runs").exists()


def test_missing_files(project: Path, refused: Refused) -> None:
    (project / "recipe.yml").unlink()
    assert "recipe.yml, which does not exist" in refused("search", "experiment.yml")
    assert "recipe.yml: there is no such file" in refused(
        "train", "aster", "--recipe", "recipe.yml", "--out", "x"
    )
    (project / "experiment.yml").unlink()
    assert "there is no experiment file experiment.yml" in refused("search", "experiment.yml")
    assert "no experiment file nowhere/x.yml" in refused("search", "nowhere/x.yml", "--in-process")


ARCHITECTURES = {
    "ABABB:k3e1,skip,k3e1,k3e1,k3e1,skip": "layer 6 changes the shape",
    "ABABB:k3e1,k5e6,k3e1,k3e1,k3e1,k3e1": "layer 2",  # known, and not one of the recipe's
    "ABABB:k3e1,k9e9,k3e1,k3e1,k3e1,k3e1": "k9e9",
    "AAABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1": "AAABB",
    "ABABB:k3e1": "6 layers",
    "autostr-iiit5": "autostr-iiit5k",
    "no/such.json": "no/such.json",
    "no/such.ckpt": "no/such.ckpt",
}


@pytest.mark.parametrize("text", ARCHITECTURES)
@pytest.mark.parametrize("command", ["train", "describe"])
def test_an_impossible_architecture(project: Path, refused: Refused, command: str, text: str) -> None:
    options = ["--recipe", "recipe.yml", *(["--out", "out"] if command == "train" else [])]
    assert ARCHITECTURES[text] in refused(command, text, *options)
    assert not (project / "out").exists()


def test_an_architecture_of_another_space(project: Path, refused: Refused) -> None:
    from autostr_nni.recipe import load_recipe
    from autostr_nni.search_spaces.architecture import Architecture

    space = load_recipe("recipe.yml").space()
    found = Architecture.parse("ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1", space)
    (project / "mine.json").write_text(found.to_json(space))
    content = json.loads((project / "mine.json").read_text())
    content["operations"][1] = "k5e6"
    (project / "other.json").write_text(json.dumps(content))
    options = ["--recipe", "recipe.yml", "--out", "out"]
    assert "other.json" in refused("train", "other.json", *options)
    change(project, "model.stem_width", 16)
    told = refused("train", "mine.json", *options)
    assert "mine.json" in told and "another space: its stem_width is 8, here it is 16" in told


def empty(folder: Path) -> None:
    write_lmdb(folder, [])


def uncounted(folder: Path) -> None:
    folder.mkdir()
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"image-000000001", b"x")
        transaction.put(b"label-000000001", b"1")


def damaged(folder: Path) -> None:
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"junk" * 4096)


SETS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda folder: None, "words does not exist"),
    "a folder of no set": (lambda folder: folder.mkdir(), "no word image set"),
    "a file": (lambda folder: folder.write_text(""), "is a file"),
    "empty": (empty, "is an empty set"),
    "without num-samples": (uncounted, "has no num-samples entry"),
    "damaged": (damaged, "is not a readable LMDB"),
}


@pytest.mark.parametrize("fault", SETS)
@pytest.mark.parametrize("key", ["data.train", "data.test"])
def test_sets_that_cannot_be_used_are_told_before_training(
    project: Path, refused: Refused, fault: str, key: str
) -> None:
    make, part = SETS[fault]
    make(project / "words")
    change(project, key, ["words"])
    commands = [
        ["search", "experiment.yml"],
        ["search", "experiment.yml", "--in-process"],
        ["train", "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1", "--recipe", "recipe.yml", "--out", "out"],
    ]
    for command in commands:
        told = refused(*command)
        assert part in told and "words" in told
    assert not (project / "out").exists() and not (project / "runs").exists()


def test_sets_with_nothing_to_learn(project: Path, refused: Refused) -> None:
    """Found by the first trial: an in-process search stops at once and can go on when it is mended."""
    write_lmdb(project / "words", [(b"x", "abc"), (b"x", ""), (b"x", "1234")])
    change(project, "data.train", ["words"])
    told = refused("search", "experiment.yml", "--in-process", "--out", "out")
    assert "1 no known character" in told and "1 empty label" in told and "1 too long" in told
    write_lmdb(project / "broken", [(b"no image", "1"), (b"nor this", "2")])
    change(project, "data.train", ["broken"])
    told = refused("search", "experiment.yml", "--in-process", "--out", "another")
    assert "none of the images of" in told and "broken can be decoded" in told


@pytest.mark.parametrize(
    "command",
    [
        ["search", "experiment.yml"],
        ["search", "experiment.yml", "--in-process"],
        ["train", "ABABB:k3e1,skip,k3e1,k3e1,k3e1,k3e1", "--recipe", "recipe.yml", "--out", "net"],
    ],
)
def test_logs_that_cannot_be_written(
    project: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Told before the search starts, not by the first trial."""
    recipe = project / "recipe.yml"
    content = yaml.safe_load(recipe.read_text())
    content["training"]["tensorboard"] = True
    recipe.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    told = refused(*command)
    assert "recipe.yml: training.tensorboard: TensorBoard is not installed: install with `" in told
    assert not (project / "runs").exists() and not (project / "net").exists()


def test_recipe_and_experiment_taken_for_each_other(project: Path, refused: Refused) -> None:
    assert "recipe.yml: is a recipe; name the experiment file" in refused("search", "recipe.yml")
    told = refused("space", "--recipe", "experiment.yml")
    assert told == (
        "autostr: error: experiment.yml: is an experiment file; name the recipe, which its tuner names\n"
    )
