from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.data.sets.folders import DATA_FILE, find_sets, new_folder
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.system.errors import InputError


def _first_label(reader: LmdbReader) -> str | None:
    return reader.label(1)


def test_round_trip(tmp_path: Path) -> None:
    samples = [(bytes([i]) * 5, f"wörd {i}") for i in range(5)]
    assert write_lmdb(tmp_path / "a" / "set", iter(samples)) == 5
    reader = LmdbReader(tmp_path / "a" / "set")
    assert len(reader) == 5
    assert [reader.sample(i) for i in range(1, 6)] == samples
    assert [(number, raw.decode()) for number, raw in reader.labels()] == [
        (i + 1, text) for i, (_, text) in enumerate(samples)
    ]
    assert reader.sample(6) == (None, None)


def test_map_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autostr_nni.data.sets.lmdb_write._FIRST_MAP", 1 << 16)
    block = os.urandom(50_000)
    assert write_lmdb(tmp_path / "set", ((block, str(i)) for i in range(40))) == 40
    reader = LmdbReader(tmp_path / "set")
    assert all(reader.sample(i + 1) == (block, str(i)) for i in range(40))


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def samples():
        yield b"x", "x"
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError):
        write_lmdb(tmp_path / "set", samples())
    assert list(tmp_path.iterdir()) == []


def test_sets_are_replaced_only_by_force(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "set", [(b"x", "old")])
    with LmdbReader(tmp_path / "set") as old:
        assert old.label(1) == "old"
        with pytest.raises(InputError, match="--force"):
            write_lmdb(tmp_path / "set", [(b"x", "new")])
        write_lmdb(tmp_path / "set", [(b"x", "new")], force=True)
        with LmdbReader(tmp_path / "set") as new:
            assert new.label(1) == "new"  # not the set that is still open
        assert old.label(1) == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]


def test_what_killed_ones_left_unfinished_is_removed(tmp_path: Path) -> None:
    for name, at in ((".set.partial-old", 0), (".set.partial-held", 0), (".other.partial-old", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / DATA_FILE).touch()
        os.utime(tmp_path / name, (at, at))
    (tmp_path / ".set.partial-new").mkdir()
    at_work = os.open(tmp_path / ".set.partial-held", os.O_RDONLY)
    fcntl.flock(at_work, fcntl.LOCK_EX)
    write_lmdb(tmp_path / "set", [(b"x", "x")])
    os.close(at_work)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".other.partial-old",
        ".set.partial-held",
        ".set.partial-new",
        "set",
    ]


def test_a_set_that_is_written_is_held(tmp_path: Path) -> None:
    def samples() -> Iterator[tuple[bytes, str]]:
        (partial,) = tmp_path.glob(".set.partial-*")
        os.utime(partial, (0, 0))
        write_lmdb(tmp_path / "set", [(b"x", "of another")])
        yield b"x", "x"

    with pytest.raises(InputError, match="already holds a set"):
        write_lmdb(tmp_path / "set", samples())
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="thesis.tex"):
        write_lmdb(tmp_path / "mine", [(b"x", "x")], force=True)
    with pytest.raises(InputError, match="is a file"):
        write_lmdb(tmp_path / "mine" / "thesis.tex", [(b"x", "x")], force=True)


def test_two_readers_of_one_set(word_set) -> None:
    folder = word_set(["a", "b"])
    first, second = LmdbReader(folder), LmdbReader(folder)
    first.close()
    assert second.label(2) == "b"
    assert first.label(1) == "a"


def test_one_set_by_two_paths(word_set, tmp_path: Path) -> None:
    """LMDB opens a file once in a process, whatever path leads to it."""
    folder = word_set(["a", "b"])
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(folder)
    with LmdbReader(folder) as first:
        for path in (tmp_path / "inner" / ".." / folder.name, tmp_path / "link"):
            with LmdbReader(path) as other:
                assert other.label(2) == "b"
        assert first.label(1) == "a"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_reads_in_other_processes(word_set, method: str) -> None:
    reader = LmdbReader(word_set(["a", "b"]))
    assert reader.label(1) == "a"  # open in this process
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_first_label, (reader,)) == "a"
    assert pickle.loads(pickle.dumps(reader)).label(2) == "b"


def test_incomplete_samples(raw_set) -> None:
    samples = [(b"i", b"one"), (None, b"two"), (b"i", None), (b"i", b"\xff"), (b"i", b"five")]
    reader = LmdbReader(raw_set(samples, count=b"4"))
    assert [number for number, _ in reader.labels()] == [1, 4]  # the fifth is beyond num-samples
    assert reader.label(4) is None


def test_the_root_of_a_disk(word_set, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `lost+found` is root's alone, which is for no set."""
    folder = word_set(["a"])
    (folder.parent / "lost+found").mkdir(mode=0)
    scan = os.scandir

    def as_a_user(path: Any) -> Any:
        if str(path).endswith("lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", as_a_user)
    assert find_sets(folder.parent) == [folder]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        LmdbReader(tmp_path / "no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"no {DATA_FILE}"):
        LmdbReader(tmp_path / "empty")


@pytest.mark.parametrize(
    ("count", "words"), [(b"", "no num-samples"), (b"many", "not a number"), (b"0", "is an empty set")]
)
def test_bad_counts(raw_set, count: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        LmdbReader(raw_set([(b"i", b"x")], count=count))


def test_foreign_file(tmp_path: Path) -> None:
    (tmp_path / DATA_FILE).write_bytes(b"not a database" * 1000)
    with pytest.raises(InputError, match="not a readable LMDB"):
        LmdbReader(tmp_path)
    (tmp_path / DATA_FILE).write_bytes(b"")
    with pytest.raises(InputError, match="not a readable LMDB|cut short|num-samples"):
        LmdbReader(tmp_path)


def test_file_cut_short(word_set) -> None:
    path = word_set([str(i) for i in range(300)]) / DATA_FILE
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(InputError, match="cut short"):
        LmdbReader(path.parent)


def test_damaged_pages(word_set) -> None:
    path = word_set([str(i) for i in range(300)]) / DATA_FILE
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xa5" * (path.stat().st_size - 2 * 4096))
    with pytest.raises(InputError, match="damaged|num-samples|readable"):
        list(LmdbReader(path.parent).labels())


def test_sets_are_found(tmp_path: Path) -> None:
    for name in ("b/x", "a/y/z", "c"):
        write_lmdb(tmp_path / name, [(b"x", "x")])
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / ".d.partial-1").mkdir()
    (tmp_path / ".d.partial-1" / DATA_FILE).write_bytes(b"")
    assert find_sets(tmp_path) == [tmp_path / "a/y/z", tmp_path / "b/x", tmp_path / "c"]
    assert find_sets(tmp_path / "c") == [tmp_path / "c"]


def test_no_sets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no word image set"):
        find_sets(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        find_sets(tmp_path / "no")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        find_sets(tmp_path / "file")


def test_a_folder_of_sets_that_cannot_be_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sets would be left out in silence."""
    for name in "ab":
        write_lmdb(tmp_path / name, [(b"x", name)])
    scandir = os.scandir

    def refused(path: str) -> Any:
        if str(path).endswith("b"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match=rf"the folder {tmp_path}/b cannot be opened \(Permission denied\)"):
        find_sets(tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_a_set_is_made_where_a_link_leads(tmp_path: Path, there: bool) -> None:
    """To a larger disk, say; the link stays."""
    if there:
        (tmp_path / "disk").mkdir()
    (tmp_path / "set").symlink_to("disk")
    for label in ("old", "new"):
        with new_folder(tmp_path / "set", force=True) as folder:
            (folder / "data.mdb").write_text(label)
    assert (tmp_path / "set").is_symlink() and (tmp_path / "disk" / "data.mdb").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {"set", "disk"}
