"""Writing word image sets as LMDB folders, the way the field keeps them. Light: no torch.

Keys, counted from 1: ``num-samples``, ``image-%09d`` (encoded image bytes), ``label-%09d`` (UTF-8 text).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import lmdb

from autostr_nni.data.sets.folders import new_folder
from autostr_nni.system.errors import InputError

_FIRST_MAP = 64 << 20
_TRANSACTION = 2000


def image_key(number: int) -> bytes:
    """Key of the encoded image of sample ``number``, counted from 1."""
    return b"image-%09d" % number


def label_key(number: int) -> bytes:
    """Key of the text of sample ``number``, counted from 1."""
    return b"label-%09d" % number


def write_samples(folder: Path, samples: Iterable[tuple[bytes, str]]) -> int:
    """Write (encoded image, text) pairs into an existing folder, return how many. The map grows as needed."""
    environment = lmdb.open(str(folder), map_size=_FIRST_MAP, lock=False, sync=False, readahead=False)
    try:
        count = 0
        iterator = iter(samples)
        while part := list(islice(iterator, _TRANSACTION)):
            items = []
            for image, text in part:
                count += 1
                items += [(image_key(count), image), (label_key(count), text.encode())]
            _put(environment, items)
        _put(environment, [(b"num-samples", b"%d" % count)])
        environment.sync(True)
        return count
    except lmdb.Error as error:  # a full disk is "Input/output error" to LMDB as often as it is itself
        raise InputError(
            f"{folder.parent}: the set cannot be written there ({str(error).split(': ', 1)[-1]}); see "
            "whether the disk is full"
        ) from None
    finally:
        environment.close()


def _put(environment: lmdb.Environment, items: list[tuple[bytes, bytes]]) -> None:
    while True:
        try:
            with environment.begin(write=True) as transaction:
                for key, value in items:
                    transaction.put(key, value)
            return
        except lmdb.MapFullError:  # the transaction is undone: double the map and write it again
            environment.set_mapsize(environment.info()["map_size"] * 2)


def write_lmdb(
    folder: str | os.PathLike[str], samples: Iterable[tuple[bytes, str]], *, force: bool = False
) -> int:
    """Write a set of (encoded image, text) pairs; the folder appears only when all are written.

    Returns the number of samples. ``InputError`` if the folder is taken (``force`` replaces a set).
    """
    with new_folder(folder, force) as partial:
        return write_samples(partial, samples)
