"""A file that is held: another's hold is told from a file system that has none."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from autostr_nni.system import locks
from autostr_nni.system.locks import Taken, hold, is_held


def test_another_process_holds_it(tmp_path: Path) -> None:
    code = (
        f"import sys; from pathlib import Path; from autostr_nni.system.locks import hold\n"
        f"with hold(Path({str(tmp_path / 'lock')!r})): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(Taken), hold(tmp_path / "lock"):
        pass
    other.communicate("")
    with hold(tmp_path / "lock"):
        pass


def test_one_that_only_looks_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`autostr list` and reports look at the locks of searches, which begin meanwhile."""
    (tmp_path / "lock").touch()
    looking = (tmp_path / "lock").open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: looking.close())
    with hold(tmp_path / "lock"):
        assert looking.closed and is_held(tmp_path / "lock")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", without)
    with pytest.raises(OSError, match="not implemented"), hold(tmp_path / "lock"):
        pass
