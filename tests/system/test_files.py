"""Files written whole or not at all: what is left after a failure, a kill, and on a full disk."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autostr_nni.system.errors import InputError
from autostr_nni.system.files import NoSpace, told_if_full, whole_file, write_atomic


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 64 KiB: what a quota or a full disk does, without mounting."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_with_their_folder(tmp_path: Path) -> None:
    write_atomic(tmp_path / "new" / "a.txt", "é\n")
    write_atomic(tmp_path / "new" / "b", b"\xff")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "é\n".encode()
    assert (tmp_path / "new" / "b").read_bytes() == b"\xff"
    assert names(tmp_path / "new") == ["a.txt", "b"]


def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x.ckpt", "old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "x.ckpt") as temporary:
        assert temporary.suffix == ".ckpt"
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "x.ckpt").read_text() == "old"
    assert names(tmp_path) == ["x.ckpt"]


def test_a_file_that_grows_too_large(tmp_path: Path, small_files: None) -> None:
    write_atomic(tmp_path / "x", "old")
    with pytest.raises(NoSpace, match="free space") as caught:
        write_atomic(tmp_path / "x", "n" * (1 << 20))
    assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "x").read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_set_that_grows_too_large(tmp_path: Path, small_files: None) -> None:
    from autostr_nni.data.sets.lmdb_write import write_lmdb

    with pytest.raises(InputError, match=f"{tmp_path}: the set cannot be written there .* disk is full"):
        write_lmdb(tmp_path / "set", [(bytes(50_000), str(number)) for number in range(20)])
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_sentence(tmp_path: Path, code: int) -> None:
    with pytest.raises(NoSpace, match=f"{tmp_path}: nothing more can be written"), told_if_full(tmp_path):
        raise OSError(code, os.strerror(code))


def test_other_faults_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), told_if_full(tmp_path):
        (tmp_path / "none").read_bytes()


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    code = "import os, sys; open(os.path.join(sys.argv[1], f'.x.{os.getpid()}-1.json'), 'w')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    living, other = f".x.{os.getpid()}-1.json", ".y.1-1.json"
    for name in (living, other, ".x.notes.json"):
        (tmp_path / name).write_text("")
    assert len(names(tmp_path)) == 4
    write_atomic(tmp_path / "x.json", "{}")
    assert names(tmp_path) == sorted([living, other, ".x.notes.json", "x.json"])
