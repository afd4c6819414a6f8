"""How the modules lean on each other: no circles, and only along the arrows of the design."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from setuptools import Distribution

ROOT = Path(__file__).parents[1]
LONGEST = 300  # lines of a code file
MOST = 14  # code files of a folder
CODE = {".py", ".cjs", ".sh"}
FOLDERS = {"autostr_nni": "autostr_nni", "autostr_nni.search_spaces": "search_spaces"}
FOLDERS["autostr_nni.strategies"] = "strategies"

# Rooms from the ground up: each may import those below it, and none above.
STOREYS = (
    "system",
    "search_spaces",
    "recipe",
    "strategies",
    "models",
    "supernet",
    "data",
    "runs",
    "reading",
    "training",
    "export",
    "latency",
    "progress",
    "warm",
    "inprocess",
    "nni",
    "trial",
    "nas",
    "report",
    "cli",
)
# The adapter to NNI's model spaces stands on the networks.
NNI_SPACE = "autostr_nni.search_spaces.nni_space"
EXCEPTIONS = {(f"{NNI_SPACE}.{name}", "models") for name in ("space", "blocks")}


def files_of(folder: str, pattern: str) -> list[Path]:
    """Files of one of the three folders, without the links to the others."""
    root = ROOT / folder
    found = sorted(path for path in root.rglob(pattern) if path.is_file())
    return [file for file in found if not (root / file.relative_to(root).parts[0]).is_symlink()]


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name, `__init__` files by their package's."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in files_of(folder, "*.py"):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def imports(name: str, at_import: bool) -> frozenset[str]:
    """Our modules that a module imports; `at_import` leaves out what is imported later or for types only."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), at_import):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            members = {f"{source}.{alias.name}" for alias in node.names}
            found |= members & modules().keys()
            if not members <= modules().keys():
                found.add(source)
    return frozenset(found & modules().keys() - {name})


def _nodes(tree: ast.AST, at_import: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not (at_import and (later or types)):
            yield child
            yield from _nodes(child, at_import)


def part(name: str) -> str:
    """The package below autostr_nni that a module is in; a module alone stands for itself."""
    return name.split(".")[1] if "." in name else name


def test_this_file_sees_the_imports() -> None:
    assert len(modules()) > 80
    assert "autostr_nni.system.errors" in imports("autostr_nni.strategies.core", True)
    assert "autostr_nni.recipe" not in imports("autostr_nni.strategies.core", True)  # for types only
    assert "autostr_nni.recipe" in imports("autostr_nni.strategies.core", False)
    assert "autostr_nni.strategies.core" in imports("autostr_nni.strategies.two_step", True)  # relative
    assert "autostr_nni.cli.commands.train" in imports("autostr_nni.cli.main", True)


def test_no_circle_of_imports() -> None:
    try:
        TopologicalSorter({name: imports(name, True) for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_rooms_lean_on_those_below() -> None:
    """Over all imports, those within functions included. The root itself has the version alone."""
    below = {room: {"autostr_nni", *STOREYS[: place + 1]} for place, room in enumerate(STOREYS)}
    wrong = {
        (name, other)
        for name in modules()
        if name != "autostr_nni"
        for other in imports(name, False)
        if part(other) not in below[part(name)] and (name, part(other)) not in EXCEPTIONS
    }
    assert wrong == set()


def code_files() -> list[Path]:
    folders = [*FOLDERS.values(), "tests", "benchmarks"]
    return [file for folder in folders for file in files_of(folder, "*") if file.suffix in CODE]


def test_rooms_are_small() -> None:
    folders = Counter(path.parent.relative_to(ROOT) for path in code_files())
    assert {str(folder): count for folder, count in folders.items() if count > MOST} == {}


def reached(start: set[str]) -> set[str]:
    """These modules, and all that they import, directly or through others."""
    seen, waiting = set(start), list(start)
    while waiting:
        for other in imports(waiting.pop(), True) - seen:
            seen.add(other)
            waiting.append(other)
    return seen


@pytest.mark.parametrize("low", ["models", "data"])
def test_networks_and_data_know_nothing_of_searches(low: str) -> None:
    seen = reached({name for name in modules() if part(name) == low})
    assert not {part(name) for name in seen} & {"strategies", "nni", "cli", "training", "inprocess", "trial"}


def test_what_trains_does_not_render() -> None:
    """A trial has words rendered in a process of its own, whatever it imports, and when."""
    seen = reached({*imports("autostr_nni.trial", False)})
    assert "autostr_nni.training.run_trial" in seen
    assert not [name for name in seen if name.startswith("autostr_nni.data.synth.")]


def test_files_are_short() -> None:
    lengths = {str(f.relative_to(ROOT)): len(f.read_text("utf-8").splitlines()) for f in code_files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_a_wheel_holds_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`setup.cfg` says to setuptools what goes into a wheel."""
    files = {
        (package, file.relative_to(ROOT / folder))
        for package, folder in FOLDERS.items()
        for file in files_of(folder, "*")
        if not file.name.startswith(".") and "__pycache__" not in file.parts
    }
    ours = {Path(*package.split("."), file) for package, file in files}
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files(["setup.cfg"])
    build = distribution.get_command_obj("build_py")
    build.build_lib = "."
    build.ensure_finalized()
    assert {Path(output) for output in build.get_outputs(include_bytecode=False)} == ours
    assert {file.suffix for file in ours} >= {".py", ".cjs", ".html", ".typed"}


@pytest.mark.parametrize("module", ["autostr_nni.nni.tuner", "autostr_nni.data.sets.prepare"])
def test_importing_leaves_torch_alone(module: str) -> None:
    """The tuner has 10 s to answer NNI. (`autostr --help` and others are in tests/cli/test_cli_frame.py.)"""
    code = f"import sys, {module}; print({{'torch', 'pytorch_lightning', 'torchvision'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
