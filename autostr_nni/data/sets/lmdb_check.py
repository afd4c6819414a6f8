"""Whether an LMDB file can be read without harm. Light: no torch.

LMDB trusts its file: a page that points out of the file, or to itself, kills the process or never ends. So
before a file is opened, the pages that lead to its entries are looked at, as `mdb.c` of LMDB 0.9 lays them
out: two heads, then a tree of branch pages and leaves, with large values on pages of their own. That the keys
are in order is not looked at: where they are not, entries are only not found.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

_HEAD = struct.Struct("<8x2xH4x II QQ IHH32xQ IHH32xQ QQ")
_MAGIC = (0xBEEFC0DE, 1)
_BRANCH, _LEAF, _META, _KINDS = 0x01, 0x02, 0x08, 0x6F
_FIXED_PLACE = 0x01
_NOTHING = 2**64 - 1
_DEEPEST = 31
_PAGE_HEAD = 16
_NODE_HEAD = 8
_APART, _INNER = 1, 2  # a value on pages of its own; a database within
_LONGEST_KEY = 511
_AT_ONCE = 256  # pages
_ADDRESSES = 1 << 47  # bytes that a process may have

_checked: set[tuple[int, int, int, int]] = set()


class Damaged(Exception):
    """The file cannot be read; the text says why in a few words."""


def check_database(path: Path) -> None:
    """Raise Damaged where LMDB could not read the file safely; one that is no LMDB is left for it to refuse.

    A file is read once; it is known by its place, size and time of change.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        about = os.fstat(handle)
        stamp = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
        if stamp not in _checked:
            _check(handle, about.st_size)
            _checked.add(stamp)
    finally:
        os.close(handle)


class _Head(NamedTuple):
    """A head: a page at the start of the file that says where the rest is."""

    kind: int
    magic: int
    version: int
    address: int
    map_size: int
    page_size: int
    free_flags: int
    free_depth: int
    free_root: int
    unused: int
    flags: int
    depth: int
    root: int
    last: int  # page
    age: int


def _check(handle: int, size: int) -> None:
    first = _head(handle, 0)
    if first is None:
        return
    if first.page_size not in (512 << power for power in range(7)):
        raise Damaged(f"a page size of {first.page_size}")
    second = _head(handle, first.page_size)
    if second is None or second.page_size != first.page_size:
        raise Damaged("its two heads differ")
    for head in (first, second):
        most = _ADDRESSES // head.page_size  # LMDB takes memory addresses for all pages
        if not head.kind & _META or head.free_flags & _FIXED_PLACE or head.last >= most:
            raise Damaged("a damaged head")
    _check_tree(handle, second if second.age > first.age else first, size)


def _head(handle: int, offset: int) -> _Head | None:
    data = os.pread(handle, _HEAD.size, offset)
    head = _Head(*_HEAD.unpack(data)) if len(data) == _HEAD.size else None
    return head if head is not None and (head.magic, head.version) == _MAGIC else None


def _check_tree(handle: int, head: _Head, size: int) -> None:
    """Every page of the tree lies in the file, is used once, and is what its height in the tree makes it.

    Pages of none of its entries may be missing at the file's end: LMDB does not write those that were taken
    and given back in one transaction.
    """
    there = min(head.last + 1, size // head.page_size)  # pages
    cut = f"cut short, {size} of {(head.last + 1) * head.page_size} bytes"
    if head.root == _NOTHING:
        return
    if head.flags or not 0 < head.depth <= _DEEPEST:
        raise Damaged("its entries are of another kind")
    seen = np.zeros(there, dtype=bool)
    level = np.array([head.root], dtype=np.uint64)
    for height in range(head.depth, 0, -1):
        if level.max() > head.last or level.min() < 2:
            raise Damaged("a page outside of the file")
        if level.max() >= there:
            raise Damaged(cut)
        pages = level.astype(np.int64)
        before = int(seen.sum())
        seen[pages] = True
        if int(seen.sum()) != before + len(pages):
            raise Damaged("a page in two places")
        parts = np.array_split(pages, -(-len(pages) // _AT_ONCE))
        found = [_check_pages(handle, head, part, height == 1) for part in parts]
        if any(ends.size and ends.max() > there for _, ends in found):
            raise Damaged(cut)
        level = np.concatenate([below for below, _ in found])


def _check_pages(handle: int, head: _Head, pages: np.ndarray, leaves: bool) -> tuple[np.ndarray, np.ndarray]:
    """Check pages of one height; the pages below them, uint64, and those that large values end before."""
    size = head.page_size
    data = b"".join(os.pread(handle, size, page * size) for page in pages.tolist())
    if len(data) != size * len(pages):
        raise Damaged("cut short")
    words = np.frombuffer(data, "<u2").reshape(len(pages), size // 2)
    numbers = np.frombuffer(data, "<u8").reshape(len(pages), size // 8)[:, 0]
    low, high = words[:, 6].astype(np.int64), words[:, 7].astype(np.int64)
    counts = (low - _PAGE_HEAD) // 2
    if (
        (numbers != pages).any()
        or ((words[:, 5] & _KINDS) != (_LEAF if leaves else _BRANCH)).any()
        or (low > high).any()
        or (high > size).any()
        or (counts < (1 if leaves else 2)).any()
    ):
        raise Damaged("a damaged page")
    page = np.repeat(np.arange(len(pages)), counts)
    slot = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
    node = words[page, _PAGE_HEAD // 2 + slot].astype(np.int64)  # byte of the page that it starts at
    if (node % 2).any() or (node < low[page]).any() or (node + _NODE_HEAD > size).any():
        raise Damaged("an entry outside of its page")
    first, second, third, key = (words[page, node // 2 + part].astype(np.uint64) for part in range(4))
    end = node + _NODE_HEAD + key.astype(np.int64)
    if (key > _LONGEST_KEY).any() or (end > size).any():
        raise Damaged("a key outside of its page")
    below: np.ndarray = first | second << np.uint64(16)
    if not leaves:
        below |= third << np.uint64(32)
        return below, np.empty(0, dtype=np.int64)
    apart = third == _APART  # the value has pages of its own
    if not (apart | (third == 0) | (third == _INNER)).all():
        raise Damaged("its entries are of another kind")
    length = below.astype(np.int64)
    if (end + np.where(apart, 8, length) > size).any():
        raise Damaged("a value outside of its page")
    places = (page * size + end)[apart, None] + np.arange(8)
    start = np.frombuffer(data, np.uint8)[places].view("<u8")[:, 0]
    if (start > head.last).any():
        raise Damaged("a value outside of the file")
    ends = start.astype(np.int64) + (_PAGE_HEAD + length[apart] + size - 1) // size
    if (ends > head.last + 1).any():
        raise Damaged("a value outside of the file")
    return np.empty(0, dtype=np.uint64), ends
