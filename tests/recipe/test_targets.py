"""Several targets in one recipe: each is the recipe that a file of its own would be, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.recipe import load_recipe
from autostr_nni.recipe.words.targets import SeveralTargets, split, target_of
from autostr_nni.system.errors import InputError

COMMON: dict[str, Any] = {"train": ["words"], "charset": "lowercase", "max_length": 9}
TARGETS: dict[str, Any] = {
    "scene": {"validation": ["signs"], "test": {"street": "street", "both": "both"}},
    "receipts": {
        "validation": [{"set": "till", "filter": "alphanumeric"}],
        "test": ["slips", "more/slips"],
        "train": [{"set": "words", "weight": 0.8}, {"set": "bills", "weight": 0.2}],
        "max_length": 7,
    },
    "third": {"validation": ["x"], "test": {"both": "both"}},
}


def write(folder: Path, data: dict[str, Any], name: str = "recipe.yml") -> Path:
    (folder / name).write_text(yaml.safe_dump({"seed": 3, "data": data}, sort_keys=False), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_the_recipe_of_its_own(tmp_path: Path, target: str) -> None:
    path = write(tmp_path, {**COMMON, "targets": TARGETS})
    own = load_recipe(write(tmp_path, {**COMMON, **TARGETS[target]}, "own.yml"))
    found = load_recipe(f"{path}#{target}")
    assert found.digest() == own.digest()
    without = found.model_copy(update={"data": found.data.model_copy(update={"target": None})})
    assert without.model_dump() == own.model_dump()
    assert target_of(found.model_dump(mode="json")) == target
    assert target_of(own.model_dump(mode="json")) is None
    assert found.source == tmp_path / f"recipe.yml#{target}"


def test_the_other_targets_test_sets(tmp_path: Path) -> None:
    path = write(tmp_path, {**COMMON, "targets": TARGETS})
    elsewhere = {name: load_recipe(f"{path}#{name}").data.elsewhere for name in TARGETS}
    assert {name: list(sets) for name, sets in elsewhere.items()} == {
        "scene": ["slips", "more/slips"],
        "receipts": ["street", "both"],
        "third": ["street", "slips", "more/slips"],  # both is its own
    }
    assert elsewhere["scene"]["more/slips"].set == tmp_path / "more" / "slips"


def test_what_is_common_stays_where_a_target_says_nothing(tmp_path: Path) -> None:
    targets = {"a": {"validation": ["v"]}, "b": {"validation": ["w"], "test": {"own": "o"}}}
    path = write(tmp_path, {**COMMON, "test": {"t": "t"}, "validation": ["u"], "targets": targets})
    one, other = (load_recipe(f"{path}#{name}").data for name in "ab")
    assert [source.set.name for source in (*one.validation, *other.validation)] == ["v", "w"]
    assert (list(one.test), list(one.elsewhere)) == (["t"], ["own"])
    assert (list(other.test), list(other.elsewhere)) == (["own"], ["t"])


def test_one_has_to_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, {**COMMON, "targets": TARGETS})
    with pytest.raises(SeveralTargets) as several:
        load_recipe(path)
    assert several.value.names == ("scene", "receipts", "third")
    assert f"data.targets has scene, receipts, third; name one of them as {path}#scene" in str(several.value)


def test_a_mark_in_a_name_that_exists(tmp_path: Path) -> None:
    (tmp_path / "c#").mkdir()
    path = write(tmp_path / "c#", {**COMMON, "validation": ["v"]}, "my#recipe.yml")
    assert load_recipe(path).source == path
    assert split(path) == (path, None)
    assert split(tmp_path / "c#" / "r.yml") == (tmp_path / "c#" / "r.yml", None)
    assert split(Path("r.yml#")) == (Path("r.yml#"), None)


KEY = "data.targets"
REFUSED = {
    "{a: {validation: [v]}, a: {validation: [w]}}": f"yml:2: {KEY}.a is given twice, first on line 2",
    "{a: {test: {x: y}}}": f"yml:2: {KEY}.a.validation is missing: nets for a target are chosen by its words",
    "{a: {validation: []}}": f"yml:2: {KEY}.a.validation is missing",
    "{a: [v]}": f"yml:2: {KEY}.a.validation is missing",
    "{}": f"yml:2: {KEY} must be targets by name, such as {{scene: {{validation: [words]}}}}, not {{}}",
    "[a, b]": f"{KEY} must be targets by name",
    "": f"{KEY} must be targets by name",
    "{'a/b': {validation: [v]}}": f"{KEY}: 'a/b' is no name of a target, of which a folder is called",
    "{3: {validation: [v]}}": f"{KEY}: 3 is no name of a target",
    "{a: {validation: [v], test: {t: x}}, b: {validation: [v], test: {t: y}}}": f"{KEY}: a and b both have a "
    "test set t, and they are different sets; give them different names",
    "{a: {validation: [v], test: {all: q}}}": f"{KEY}.a.test names a set all, as the figures of all",
    "{a: {validation: [v]}, b: {validation: [v], test: [x/all]}}": f"{KEY}.b.test names a set all",
    "{a: {validation: [v], test: [q, q]}}": f"{KEY}.a.test names 'q' twice",
    "{a: {validation: [3]}}": "yml:2: data.validation.0 must be a path, not 3",
    "{a: {validation: [v], max_lenght: 3}}": "yml:2: data.max_lenght is no key of a recipe; nearest is "
    "data.max_length",
    "{a: {validation: [v], test: {t: {set: x, weight: 1.0}}}}": "gives t a weight, but test sets are read",
    "{b: {validation: [v]}, c: {validation: [v]}}": f"yml: {KEY} has no a, only b, c",
}


@pytest.mark.parametrize("targets", REFUSED)
def test_what_cannot_be(tmp_path: Path, targets: str) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(f"data: {{train: [w],\n  targets: {targets}}}\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_recipe(f"{path}#a")
    assert REFUSED[targets] in str(error.value) and "\n" not in str(error.value)


def test_a_target_of_a_recipe_without(tmp_path: Path) -> None:
    path = write(tmp_path, {**COMMON, "validation": ["v"]})
    with pytest.raises(InputError, match=r"recipe\.yml: has no data\.targets, and so no target scene"):
        load_recipe(f"{path}#scene")
    with pytest.raises(InputError, match=r"nosuch\.yml"):
        load_recipe(tmp_path / "nosuch.yml#scene")


def test_lines_of_a_target_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yml"
    lines = ["data:", "  train: [w]", "  validation: [3]", "  targets:", "    a:", "      validation: [v]"]
    path.write_text("\n".join([*lines, "      max_length: many"]), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_recipe(f"{path}#a")
    assert str(error.value) == f"{path}:7: data.max_length must be a whole number, not 'many'"
