"""docs/extending.md: an operation and a strategy in files of one's own, as the page has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from autostr_nni import trial
from autostr_nni.cli.main import main
from autostr_nni.search_spaces import operations
from autostr_nni.strategies import registry
from autostr_nni.strategies.two_step import TwoStep
from autostr_nni.system.errors import InputError
from autostr_nni.system.extensions import VARIABLE, load, load_all

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
CLI = [sys.executable, "-m", "autostr_nni.cli.main"]


@contextmanager
def forgotten(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is loaded within is not there before nor after."""
    patch.setattr(operations, "_known", dict(operations._known))
    patch.setattr(registry, "_known", dict(registry._known))
    patch.setattr(sys, "path", list(sys.path))
    patch.setenv(VARIABLE, "")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with forgotten(monkeypatch):
        yield


@pytest.fixture
def project(tmp_path: Path, tiny_search: Callable[..., Path]) -> Path:
    """The page's files beside a tiny recipe that names the operation, and an experiment by the strategy."""
    for name, code in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.S):
        (tmp_path / name).write_text(code, encoding="utf-8")
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]
    one_layer_each = {"operators": {**blocks[0]["search"]["operators"], "epochs": 1, "warmup_epochs": 0}}
    path = tiny_search(tmp_path, extensions=blocks[0]["extensions"], search=one_layer_each)
    experiment = yaml.safe_load(path.read_text())
    experiment.pop("searchSpace", None)
    path.write_text(yaml.safe_dump({**experiment, **blocks[1]}))
    return path


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command as a user runs it, in a process that knows of no extension."""
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    command = [*CLI, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_search_with_an_operation_and_a_strategy_of_ones_own(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    done = run("search", project, "--in-process", "--out", out, "--json", folder=tmp_path)
    assert done.returncode in (0, 1), done.stderr  # so little training may have learnt nothing
    folder = next(path.parent for path in [out / "state.json", *out.glob("*/state.json")] if path.is_file())
    state = json.loads((folder / "state.json").read_text())["state"]
    assert [(t["parameters"]["step"], t["status"]) for t in state["trials"]] == [
        ("operators", "done"),
        ("train", "done"),
    ]
    layers = json.loads((next((folder / "trials").glob("operators-*")) / "result.json").read_text())[
        "probabilities"
    ]
    assert any("plain3" in layer and "k7e3" in layer for layer in layers)
    kept = json.loads((folder / "search.json").read_text())
    assert kept["strategy"] == "my_strategy:CheapestPath" and kept["code"] == str(tmp_path)

    def told(*arguments: object, status: int) -> str:
        """A command in this process, which knows of no extension."""
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            with forgotten(patch):
                assert main([str(argument) for argument in arguments]) == status
        shown = capsys.readouterr()
        return shown.out + shown.err

    assert "2 trials done" in told("resume", folder, status=done.returncode)
    checkpoint, sets = folder / "trials" / "train" / "best.ckpt", tmp_path / "nothing"
    advice = f"whose code is run only where you name it: autostr --extensions {tmp_path}/my_ops.py"
    assert advice in told("evaluate", checkpoint, sets, status=2)
    named = told("--extensions", "my_ops.py", "evaluate", checkpoint, sets, status=2)
    assert "my_ops" not in named and "nothing" in named  # it is read; the sets are not there
    (tmp_path / "my_ops.py").unlink()
    assert f"of which {tmp_path}/my_ops.py is not there" in told("evaluate", checkpoint, sets, status=2)
    report = told("report", folder, "--json", "--out", tmp_path / "report", status=0)
    assert "cheapest path" in report and "my_ops.py is not there" in report


def test_a_trial_of_nni_knows_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("autostr_nni.nni.trial_side.parameters.own_parameter", dict)
    monkeypatch.setattr(trial, "run_parameters", lambda *_: seen.append("plain3" in operations._known))
    assert "plain3" not in operations._known
    trial.run(project.with_name("recipe.yml"))
    assert seen == [True]


@pytest.mark.slow("a search through NNI")
def test_through_nni(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("search", project, "--out", out, folder=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    state = json.loads(next(out.glob("*/autostr_state.json")).read_text())
    assert state["finished"] and state["strategy"] == "cheapest-path" and state["error"] is None
    assert [t["status"] for t in state["state"]["trials"]] == ["done", "done"]


def test_a_strategy_that_extensions_register_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "my_registered.py").write_text(
        "from autostr_nni.strategies import register\n"
        "from autostr_nni.strategies.two_step import TwoStep\n"
        "@register\nclass Mine(TwoStep):\n    name = 'mine'\n"
    )
    with pytest.raises(InputError, match="there is no strategy 'mine', there are two-step and random and"):
        registry.find("mine")
    load_all(["my_registered"], tmp_path)
    assert issubclass(registry.find("mine"), TwoStep)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def", r"cannot be loaded.* \(SyntaxError"),
        ("\nx = 1 / 0", r"my_fault.py: cannot be loaded, line 2 \(ZeroDivisionError: division by zero\)"),
        ("class Mine: pass", "Mine is no strategy: it must be a subclass of Book"),
        (
            "from autostr_nni.strategies import Book\nclass Mine(Book): pass",
            "strategy Mine: its name, '', must",
        ),
        (
            "from autostr_nni.strategies import Book\nclass Mine(Book):\n    name, steps = 'm', ('fly',)",
            "strategy m: its steps must be a tuple out of path, operators, supernet, ranking, rung, train",
        ),
        (
            "from autostr_nni.strategies import Book\nclass Mine(Book): name = 'random'",
            "its name, random, is another's",
        ),
        ("", "strategy my_fault:Mine: the module my_fault has no class Mine"),
    ],
)
def test_what_is_wrong_with_a_module_is_said(tmp_path: Path, code: str, told: str) -> None:
    (tmp_path / "my_fault.py").write_text(code)
    with pytest.raises(InputError, match=told):
        registry.find("my_fault:Mine", tmp_path)


def test_modules_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no module my_missing in .*, and none is installed"):
        load("my_missing", tmp_path)
    with pytest.raises(InputError, match=r"extension 'my_missing.py': there is no such file"):
        load("my_missing.py", tmp_path)
    (tmp_path / "json.py").write_text("")
    with pytest.raises(InputError, match="a module json is loaded already; give the file another name"):
        load("json.py", tmp_path)


def test_a_recipe_that_names_no_module(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(project.parent / "my_ops.py", project.parent / "other.py")
    assert main(["search", str(project), "--in-process"]) == 2
    assert "recipe.yml: extensions: extension" in capsys.readouterr().err
