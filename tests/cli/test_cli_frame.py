"""The command's frame: help, versions, and how errors end."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autostr_nni import __version__
from autostr_nni.cli import main as frame
from autostr_nni.system.errors import InputError

HEAVY = ("torch", "torchvision", "pytorch_lightning", "numpy", "nni", "matplotlib", "PIL", "requests")


def heavy_after(code: str) -> set[str]:
    """Which heavy modules are there after running `code` in a fresh interpreter."""
    code += f"\nimport sys; print(' '.join(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import autostr_nni.cli.main",
        "import autostr_nni.recipe",
        "import autostr_nni.strategies",
        "import autostr_nni.inprocess",
        "from autostr_nni.cli.main import main; main(['describe', 'aster'])",
    ],
)
def test_light_storey_leaves_heavy_modules_alone(code: str) -> None:
    assert heavy_after(code) == set()


def test_help_is_light_and_names_every_command() -> None:
    code = "from autostr_nni.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert heavy_after(code) == set()
    done = subprocess.run(
        [sys.executable, "-m", "autostr_nni.cli.main", "--help"], check=True, capture_output=True, text=True
    )
    for command in frame.COMMANDS:
        assert command.__name__.rpartition(".")[2] in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        frame.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"autostr {__version__}\n"


@pytest.mark.parametrize("argv", [["spce"], ["space", "--nope"], ["describe"]])
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        frame.main(argv)
    assert end.value.code == 2
    assert "autostr" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["data"], ["--debug"]])
def test_nothing_asked_for_is_answered_with_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(argv) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("usage: autostr ") and "COMMAND" in shown.out and shown.err == ""


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["serch", "x.yml"], "there is no 'serch'; did you mean search?"),
        (["data", "chek", "x"], "there is no 'chek'; did you mean check?"),
        (["completion", "bsh"], "there is no 'bsh'; did you mean bash?"),
        (["report", "a", "--out", "b", "--jsn"], "unrecognized arguments: --jsn; did you mean --json?"),
        (["data", "check", "a", "--lables-only"], "did you mean --labels-only?"),
        (["read", "a", "b", "--no\x1b[31m"], "unrecognized arguments: --no\\x1b[31m\n"),
    ],
)
def test_the_nearest_name_is_said(argv: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        frame.main(argv)
    assert end.value.code == 2
    assert part in capsys.readouterr().err


class Stub:
    """A subcommand that does what a test wants."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def add_parser(self, subparsers: Any) -> None:
        parser = subparsers.add_parser("stub")
        inner = parser.add_subparsers(dest="inner").add_parser("inner")
        inner.set_defaults(run=self.run)
        parser.set_defaults(run=self.run)

    def run(self, args: argparse.Namespace) -> int:
        status: int = self.act()
        return status


def run_stub(monkeypatch: pytest.MonkeyPatch, act: Any, *argv: str) -> int:
    monkeypatch.setattr(frame, "COMMANDS", (Stub(act),))
    return frame.main(["stub", *argv])


def fail(error: BaseException) -> Any:
    def act() -> int:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (InputError("recipe.yml: mend it"), 2, "autostr: error: recipe.yml: mend it\n"),
        (KeyboardInterrupt(), 130, "autostr: error: interrupted\n"),
        (RuntimeError("two\nlines"), 1, "autostr: error: RuntimeError: two lines (--debug shows where)\n"),
        (ValueError(), 1, "autostr: error: ValueError (--debug shows where)\n"),
        (
            OSError(36, "File name too long", "xx"),
            2,
            "autostr: error: xx: File name too long; name another place\n",
        ),
        (OSError(5, "I/O", "xx"), 1, "autostr: error: OSError: [Errno 5] I/O: 'xx' (--debug shows where)\n"),
        (InputError("a\x1b[31m\nb"), 2, "autostr: error: a\\x1b[31m\\nb\n"),
    ],
)
def test_errors_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    text: str,
) -> None:
    assert run_stub(monkeypatch, fail(error)) == status
    assert capsys.readouterr().err == text
    for argv in (["--debug"], ["inner", "--debug"]):
        assert run_stub(monkeypatch, fail(error), *argv) == status
        assert "Traceback" in capsys.readouterr().err


def test_status_is_the_subcommands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_stub(monkeypatch, lambda: 0) == 0
    assert run_stub(monkeypatch, lambda: 3) == 3


def test_reader_that_goes_away() -> None:
    """`autostr space | head -0` is no error of ours, and says nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autostr_nni.cli.main", "describe", "aster", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == frame.BROKEN_PIPE
    process.stderr.close()


def test_terminal_that_lacks_characters() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "autostr_nni.cli.main", "describe", "é"],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("autostr: error: architecture '\\xe9'")


@pytest.mark.parametrize(
    ("module", "package"),
    [("PIL", "pillow>=10.1"), ("cv2", "opencv-python-headless>=4.11"), ("nope", "nope")],
)
def test_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, package: str
) -> None:
    assert run_stub(monkeypatch, fail(ModuleNotFoundError("No module", name=f"{module}.inner"))) == 1
    command = shlex.join([sys.executable, "-m", "pip", "install", package])
    assert capsys.readouterr().err == (
        f"autostr: error: {module} is not installed; install it with: {command}\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shell_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("search", "evaluate", "--by-length", "--no-system-fonts"):
        assert word in script


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    script = subprocess.run(
        [sys.executable, "-m", "autostr_nni.cli.main", "completion", "bash"], check=True, capture_output=True
    ).stdout
    (tmp_path / "completion").write_bytes(script)
    for words, wanted in ((["ev"], "evaluate"), (["train", "--rec"], "--recipe")):
        ask = (
            f"source {shlex.quote(str(tmp_path / 'completion'))}; COMP_WORDS=(autostr {' '.join(words)}); "
            f"COMP_CWORD={len(words)}; _shtab_autostr autostr {words[-1]} ''; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True)
        assert wanted in done.stdout.split(), done
