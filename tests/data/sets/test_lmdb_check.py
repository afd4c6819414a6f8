"""Databases that LMDB must not be given: what is seen before it opens them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from autostr_nni.data.sets import lmdb_check
from autostr_nni.data.sets.lmdb_check import Damaged, check_database
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.system.errors import InputError

PAGE = 4096


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database of three levels, with values on pages of their own, some entries replaced and deleted."""
    folder = tmp_path_factory.mktemp("database")
    with lmdb.open(str(folder), map_size=64 << 20, lock=False, sync=False) as base:
        for turn in range(3):
            with base.begin(write=True) as writing:
                for number in range(turn * 1000, 4000):
                    writing.put(b"image-%09d" % number, bytes(9000 if number % 200 == 0 else number % 300))
                    writing.put(b"label-%09d" % number, b"word")
                writing.delete(b"label-%09d" % (turn + 1))
                writing.put(b"num-samples", b"3999")
        assert base.stat()["depth"] == 3
    return (folder / "data.mdb").read_bytes()


def check(folder: Path, data: bytes) -> None:
    (folder / "data.mdb").write_bytes(data)
    lmdb_check._checked.clear()
    check_database(folder / "data.mdb")


def head(data: bytes) -> int:
    """Where the head starts that counts."""
    return max((0, PAGE), key=lambda start: struct.unpack_from("<Q", data, start + 144)[0])


def root(data: bytes) -> int:
    return PAGE * struct.unpack_from("<Q", data, head(data) + 128)[0]


def pages(data: bytes, kind: int) -> list[int]:
    """Where pages of a kind start: 1 branch, 2 leaf."""
    return [
        start
        for start in range(2 * PAGE, len(data), PAGE)
        if struct.unpack_from("<H", data, start + 10)[0] == kind
    ]


def large(data: bytes) -> int:
    """Where the large value that ends last starts."""
    return max(pages(data, 4))


def patched(data: bytes, place: int, form: str, *values: int) -> bytes:
    part = struct.pack(form, *values)
    return data[:place] + part + data[place + len(part) :]


def test_whole_databases(tmp_path: Path, database: bytes) -> None:
    check(tmp_path, database)
    with lmdb.open(str(tmp_path / "empty"), lock=False):
        pass
    check_database(tmp_path / "empty" / "data.mdb")


def test_a_size_in_memory_that_is_too_small(tmp_path: Path, database: bytes) -> None:
    """LMDB makes it larger by itself."""
    for start in (0, PAGE):
        database = patched(database, start + 32, "<Q", 1 << 20)
    check(tmp_path, database)
    with lmdb.open(str(tmp_path), readonly=True, lock=False) as base, base.begin() as reading:
        assert reading.get(b"num-samples") == b"3999"


def test_pages_that_were_given_back_may_be_missing(tmp_path: Path) -> None:
    """LMDB does not write pages that were taken and given back in one transaction, the file's last too."""
    with lmdb.open(str(tmp_path), map_size=64 << 20, lock=False) as base:
        for turn in range(4):
            with base.begin(write=True) as writing:
                writing.put(b"image-%09d" % turn, bytes(9000 * turn))
                writing.put(b"image", bytes(9000 * turn))
        with base.begin(write=True) as writing:
            writing.put(b"large", bytes(400_000))
            writing.delete(b"large")
            writing.put(b"num-samples", b"4")
        last = base.info()["last_pgno"]
    assert (tmp_path / "data.mdb").stat().st_size < last * PAGE
    check_database(tmp_path / "data.mdb")
    with lmdb.open(str(tmp_path), readonly=True, lock=False) as base, base.begin() as reading:
        assert sum(len(value) for _, value in reading.cursor()) == 9000 * (1 + 2 + 3 + 3) + 1


def first_child(data: bytes) -> int:
    """Where the root's first entry, a page number, stands."""
    start = root(data)
    return start + struct.unpack_from("<H", data, start + 16)[0]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda d: d[: len(d) // 2], "cut short"),
    "cut within the tree": (lambda d: d[: root(d)], "cut short"),
    "cut within a large value": (lambda d: d[: large(d) + PAGE], "cut short"),
    "page size of 0": (lambda d: patched(d, 40, "<I", 0), "page size"),
    "heads of two sizes": (lambda d: patched(d, PAGE + 40, "<I", 8192), "heads differ"),
    "a fixed place in memory": (lambda d: patched(d, head(d) + 44, "<H", 9), "damaged head"),
    "last page far away": (lambda d: patched(d, head(d) + 136, "<Q", 1 << 40), "damaged head"),
    "root outside": (lambda d: patched(d, head(d) + 128, "<Q", 1 << 30), "outside of the file"),
    "root is a head": (lambda d: patched(d, head(d) + 128, "<Q", 1), "outside of the file"),
    "sorted duplicates": (lambda d: patched(d, head(d) + 92, "<H", 4), "another kind"),
    "deeper than it is": (lambda d: patched(d, head(d) + 94, "<H", 5), "page|key|value|entr"),
    "a circle": (lambda d: patched(d, first_child(d), "<HHH", root(d) // PAGE, 0, 0), "two places|a damaged"),
    "a branch of one": (lambda d: patched(d, root(d) + 12, "<H", 18), "damaged page"),
    "entries beyond the page": (lambda d: patched(d, root(d) + 12, "<H", 60_000), "damaged page"),
    "an entry at the end": (lambda d: patched(d, root(d) + 16, "<H", PAGE - 2), "outside of its page"),
    "a long key": (lambda d: patched(d, first_child(d) + 6, "<H", 60_000), "key outside"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_databases(tmp_path: Path, database: bytes, name: str) -> None:
    make, words = DAMAGES[name]
    with pytest.raises(Damaged, match=words):
        check(tmp_path, make(database))


@pytest.mark.parametrize(
    ("size", "flags", "words"),
    [(0xFFFFFFF0, 0, "value outside of its page"), (0x0FFFFFFF, 1, "outside of"), (4, 4, "another kind")],
)
def test_damaged_leaves(tmp_path: Path, database: bytes, size: int, flags: int, words: str) -> None:
    """Every leaf of the file is changed: some of them are of the tree."""
    data = database
    for start in pages(database, 2):
        entry = start + struct.unpack_from("<H", database, start + 16)[0]
        data = patched(data, entry, "<IH", size, flags)
    with pytest.raises(Damaged, match=words):
        check(tmp_path, data)


def test_a_reader_refuses_it_in_a_sentence(tmp_path: Path, database: bytes) -> None:
    (tmp_path / "data.mdb").write_bytes(DAMAGES["a circle"][0](database))
    with pytest.raises(InputError, match=r"data.mdb is damaged \(.*\): copy or make it again"):
        LmdbReader(tmp_path)


def test_a_file_is_looked_at_again_when_it_has_changed(tmp_path: Path, database: bytes) -> None:
    check(tmp_path, database)
    (tmp_path / "data.mdb").write_bytes(database[: len(database) // 2])
    with pytest.raises(Damaged):
        check_database(tmp_path / "data.mdb")
