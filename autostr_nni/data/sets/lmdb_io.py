"""Reading word image sets: LMDB folders as `lmdb_write` makes them. Light: no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import lmdb

from autostr_nni.data.sets.folders import DATA_FILE
from autostr_nni.data.sets.lmdb_check import Damaged, check_database
from autostr_nni.data.sets.lmdb_write import image_key, label_key
from autostr_nni.system.errors import InputError

_MOST_SAMPLES = 2**31 - 1


@dataclass
class _Shared:
    """One open environment: LMDB refuses to open a file twice in a process, whatever path leads to it."""

    environment: lmdb.Environment
    stamp: tuple[int, int]  # device and inode: a set that replaces another has a stamp of its own
    state: tuple[int, ...]  # of the file when it was opened
    users: int = 0


_OPEN: dict[tuple[int, int], _Shared] = {}


class LmdbReader:
    """A set opened for reading when it is first used, anew in each process: may be pickled and forked.

    ``len(reader)`` is the number of samples that the set promises; samples are numbered from 1.
    ``InputError`` if the folder is missing, not an LMDB, damaged, empty or without ``num-samples``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).absolute()
        self._shared: _Shared | None = None
        try:
            self._length = self._read_length()
        except InputError:
            self.close()
            raise

    def __len__(self) -> int:
        return self._length

    def image(self, number: int) -> bytes | None:
        """Encoded image of sample ``number``; None if the set lacks it."""
        return self._get(image_key(number))

    def label(self, number: int) -> str | None:
        """Text of sample ``number``; None if the set lacks it or it is not UTF-8."""
        value = self._get(label_key(number))
        try:
            return None if value is None else value.decode()
        except UnicodeDecodeError:
            return None

    def sample(self, number: int) -> tuple[bytes | None, str | None]:
        """Encoded image and text of sample ``number``."""
        return self.image(number), self.label(number)

    def version(self) -> tuple[int, ...]:
        """What is another for another set, and for this one after it was changed."""
        with self._reading(), self._environment().begin() as transaction:
            return self._version(transaction)

    def images(self, numbers: Iterable[int], version: tuple[int, ...]) -> list[bytes | None] | None:
        """Encoded images of many samples, read in one transaction; None if the set has another version."""
        with self._reading(), self._environment().begin() as transaction:
            if self._version(transaction) != version:
                return None
            get = transaction.get
            return [get(b"image-%09d" % number) for number in numbers]

    def samples(self, numbers: Iterable[int]) -> list[tuple[bytes | None, bytes | None]]:
        """Encoded images and undecoded texts of many samples, read in one transaction."""
        with self._reading(), self._environment().begin() as transaction:
            get = transaction.get
            return [(get(b"image-%09d" % number), get(b"label-%09d" % number)) for number in numbers]

    def labels(self) -> Generator[tuple[int, bytes], None, None]:
        """Numbers and undecoded texts of all samples that have both an image and a text, in order.

        Walks the keys, so that even millions of samples are scanned without touching an image.
        """
        with self._reading(), self._environment().begin() as transaction:
            images = (number for number, _ in _numbered(transaction, b"image-", values=False))
            image = next(images, 0)
            for number, value in _numbered(transaction, b"label-", values=True):
                while 0 < image < number:
                    image = next(images, 0)
                if image == number <= self._length:
                    yield number, value

    def beyond(self) -> int:
        """How many samples lie in the set that its ``num-samples`` does not reach, or under other numbers.

        Such as one numbered 0, or without leading zeros: nothing here reads them.
        """
        with self._reading(), self._environment().begin() as transaction:
            return max(self._beyond(transaction, key) for key in (image_key, label_key))

    def _beyond(self, transaction: lmdb.Transaction, key: Callable[[int], bytes]) -> int:
        first, zero = key(self._length + 1), key(0)
        prefix = first[: first.index(b"-") + 1]
        cursor = transaction.cursor()
        found = cursor.iternext(values=False) if cursor.set_range(first) else iter(())
        later = sum(1 for _ in takewhile(lambda name: bytes(name).startswith(prefix), found))
        return later + (transaction.get(zero) is not None)

    def close(self) -> None:
        """Let go of the open environment; the next use opens it again."""
        shared, self._shared = self._shared, None
        if shared is None:
            return
        shared.users -= 1
        if shared.users <= 0 and _OPEN.get(shared.stamp) is shared:
            del _OPEN[shared.stamp]
            shared.environment.close()

    def __enter__(self) -> LmdbReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_shared", None) is not None:
            self.close()

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_length": self._length, "_shared": None}

    def _get(self, key: bytes) -> bytes | None:
        with self._reading(), self._environment().begin() as transaction:
            return transaction.get(key)

    def _version(self, transaction: lmdb.Transaction) -> tuple[int, ...]:
        assert self._shared is not None
        return (*self._shared.state, transaction.id())

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except lmdb.Error as error:
            raise InputError(
                f"{self.folder / DATA_FILE} is damaged ({error}): copy or make it again"
            ) from None

    def _environment(self) -> lmdb.Environment:
        if self._shared is None:
            self._shared = self._open()
            self._shared.users += 1
        return self._shared.environment

    def _open(self) -> _Shared:
        path = self.folder / DATA_FILE
        if not self.folder.exists():
            raise InputError(f"the folder {self.folder} does not exist: give the path of a word image set")
        if not path.is_file():
            raise InputError(f"{self.folder} holds no {DATA_FILE}: give the folder of a word image set")
        stat = path.stat()
        stamp = (stat.st_dev, stat.st_ino)
        shared = _OPEN.get(stamp)
        if shared is not None:
            return shared
        try:
            check_database(path)
            environment = lmdb.open(
                str(self.folder), readonly=True, lock=False, readahead=False, meminit=False, create=False
            )
        except Damaged as error:
            raise InputError(f"{path} is damaged ({error}): copy or make it again") from None
        except (lmdb.Error, OSError) as error:
            reason = str(error).split(": ", 1)[-1]
            raise InputError(f"{path} is not a readable LMDB ({reason}): copy or make it again") from None
        shared = _Shared(environment, stamp, (*stamp, stat.st_size, stat.st_mtime_ns))
        _OPEN[stamp] = shared
        return shared

    def _read_length(self) -> int:
        value = self._get(b"num-samples")
        if value is None:
            raise InputError(f"{self.folder} has no num-samples entry: it is not a word image set")
        if not value.strip().isdigit() or len(value) > 20:
            raise InputError(f"{self.folder} has num-samples {value[:20]!r}, which is not a number")
        if int(value) == 0:
            raise InputError(f"{self.folder} is an empty set: its num-samples is 0")
        if int(value) > _MOST_SAMPLES:
            raise InputError(f"{self.folder} has num-samples {int(value)}, which is more than a set can have")
        return int(value)


def beyond_text(more: int, promised: int) -> str:
    """What to say of samples that ``num-samples`` does not reach."""
    return f"{more} more beyond num-samples, which is {promised}: not used; raise it to use them"


def _numbered(transaction: lmdb.Transaction, prefix: bytes, values: bool) -> Iterator[tuple[int, bytes]]:
    """Sample numbers from 1 of the keys of one kind, in order, with their values or empty bytes."""
    cursor = transaction.cursor()
    if not cursor.set_range(prefix):
        return
    pairs = cursor.iternext() if values else ((key, b"") for key in cursor.iternext(values=False))
    for raw, value in pairs:
        key = bytes(raw)
        if not key.startswith(prefix):
            return
        digits = key[len(prefix) :]
        number = int(digits) if digits.isdigit() else 0
        if number > 0 and digits == b"%09d" % number:  # another spelling would not be found by its number
            yield number, bytes(value)
