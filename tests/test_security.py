"""What no code of ours may do, whatever a file says: run text, unpickle, or hand words to a shell."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for name in ("autostr_nni", "search_spaces", "strategies") for path in (ROOT / name).rglob("*.py")
)

#: Calls that run, or build objects from, whatever text they are given.
FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "dill.load",
    "joblib.load",
    "marshal.loads",
    "shelve.open",
    "yaml.load",
    "yaml.load_all",
    "yaml.full_load",
    "yaml.unsafe_load",
    "subprocess.getoutput",
    "np.load",
    "numpy.load",
    "torch.hub.load",
}
#: Processes that a search or a trial starts itself talk in pickles over a pipe that nobody else can open.
ALLOWED = {("lifeline.py", "pickle.loads")}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """All calls of a file by the dotted name of what is called."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            parts, function = [], node.func
            while isinstance(function, ast.Attribute):
                parts.append(function.attr)
                function = function.value
            if isinstance(function, ast.Name):
                yield ".".join([function.id, *reversed(parts)]), node


def keyword(call: ast.Call, name: str) -> object:
    """The constant that an argument is given; None without it."""
    return next(
        (k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None
    )


def faults(path: Path) -> list[str]:
    """Calls in a file that are not allowed."""
    found = []
    for name, call in calls(path):
        weights = name.rpartition(".")[2] in ("load", "fit") and keyword(call, "weights_only")
        if (
            (name in FORBIDDEN and (path.name, name) not in ALLOWED)
            or (name == "torch.load" and weights is not True)
            or keyword(call, "shell") is True
            or keyword(call, "weights_only") is False
        ):
            found.append(f"{path.name}:{call.lineno} {name}")
    return found


def test_nothing_runs_what_a_file_says() -> None:
    assert len(FILES) > 100
    assert [fault for path in FILES for fault in faults(path)] == []


@pytest.mark.parametrize(
    "code",
    ["eval('1')", "torch.load(x)", "torch.load(x, weights_only=False)", "yaml.load(x)", "run(x, shell=True)"],
)
def test_this_file_sees_them(tmp_path: Path, code: str) -> None:
    (tmp_path / "x.py").write_text(code)
    assert faults(tmp_path / "x.py")
    (tmp_path / "x.py").write_text("torch.load(x, weights_only=True); yaml.safe_load(x); run([x])")
    assert faults(tmp_path / "x.py") == []


def test_pages_escape_what_they_show() -> None:
    """Templates of ours hold no `safe`, and no script that data is written into."""
    for template in (ROOT / "autostr_nni").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape\s+false|<script", text), template
