"""A user without a name or a home, as in a container, and where such a user may write."""

from __future__ import annotations

import getpass
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from autostr_nni.system import user
from autostr_nni.system.user import may_write, scratch, settle


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_who_has_no_name_gets_one(nameless: pytest.MonkeyPatch) -> None:
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    settle()
    assert getpass.getuser() == f"uid{os.getuid()}"
    assert Path.home() == Path("/")


def test_a_name_and_a_home_stay(nameless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nameless.setenv("LOGNAME", "reader")
    nameless.setenv("HOME", str(tmp_path))
    settle()
    assert getpass.getuser() == "reader" and Path.home() == tmp_path
    assert "USER" not in os.environ


def test_importing_settles(tmp_path: Path) -> None:
    """Whatever is imported of ours comes first: no module may need a name before it has one."""
    code = "import pwd\ndef no(n): raise KeyError(n)\npwd.getpwuid = no\n"
    code += "import autostr_nni.search_spaces.operations, getpass; print(getpass.getuser())"
    environment = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == f"uid{os.getuid()}"


def test_matplotlib_is_given_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setattr(user.tempfile, "gettempdir", lambda: str(tmp_path))
    settle()
    assert "MPLCONFIGDIR" not in os.environ
    (tmp_path / "file").write_text("")  # below which not even root may write
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    settle()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / f"autostr-{os.getuid()}" / "matplotlib")


def test_where_one_may_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert may_write(tmp_path) and may_write(tmp_path / "not" / "there")
    assert not may_write(tmp_path / "file") and not may_write(tmp_path / "file" / "below")
    assert not may_write(tmp_path / ("long" * 100))


def test_scratch_is_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(user.tempfile, "gettempdir", lambda: str(tmp_path))
    assert scratch() == scratch() and scratch().stat().st_mode & 0o777 == 0o700
    scratch().chmod(0o777)  # anybody could put something there
    with pytest.raises(PermissionError, match="not this user's own"):
        scratch()
