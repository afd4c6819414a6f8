"""Damaging good files: bytes, lines and trees of values, as hypothesis strategies."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

#: Put in where a byte sequence is broken.
SPLINTERS = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x80" * 9, b"\n", b"\r", b"\t", b" " * 300,
    b"-1", b"0", b"1e999", b"-1e999", b"nan", b".nan", b".inf", b"9" * 25, b"9" * 5000, b"0x7fffffffffffffff",
    b"[" * 3000, b"{" * 3000, b"- " * 3000, b"a: " * 200, b"&a [*a]", b"*a",
    b"!!python/object/apply:os.abort []",
    b"<<: *a", b"{}", b"[]", b"null", b"true", b'"', b"'", b"%", b"<script>", "\u202e\u2028é".encode(),
    b"../" * 40 + b"etc/passwd", b"/dev/zero", b"A" * 70_000, b"---\n", b"...\n",
]  # fmt: skip

#: Put in place of a value of a tree, whatever its type was.
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**30, -(10**30), 0.0, -0.5, 0.5, 1.5, 1e308, 1e-320,
    float("nan"), float("inf"), "", " ", "x", "3", "1e3", "nan", "null", "\0", "é\u2028", "\ud800",
    "<script>", "..", "/", "~nobody/x", "/dev/null", "/proc/self/mem", "A" * 5000, "ABABB", "k9e9",
    "cuda:99", [], [[]], [None], [1], [1, 2, 3, 4, 5], ["x"] * 3, [[[[[["deep"]]]]]], [10**9] * 3,
    [0.5] * 40, {}, {"": 1}, {"x": {"y": [1]}}, {"1": None},
]  # fmt: skip


def fuzzing(examples: int) -> settings:
    """So many inputs, the same on every run, none of them kept, each of them told as it is."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damaged_bytes(draw: st.DrawFn, good: bytes, most: int = 3) -> bytes:
    """A byte sequence after one to so many blows."""
    data = good
    for _ in range(draw(st.integers(1, most))):
        size = len(data)
        start = draw(st.integers(0, max(size - 1, 0)))
        length = draw(st.sampled_from([1, 1, 2, 4, 8, 64, 1000]))
        kind = draw(
            st.sampled_from(["flip", "flip", "set", "cut", "drop", "double", "splinter", "lines", "whole"])
        )
        if kind == "flip" and size:
            bit = 1 << draw(st.integers(0, 7))
            data = data[:start] + bytes([data[start] ^ bit]) + data[start + 1 :]
        elif kind == "set":
            value = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
            data = data[:start] + bytes([value]) * min(length, size - start) + data[start + length :]
        elif kind == "cut":
            data = data[:start]
        elif kind == "drop":
            data = data[:start] + data[start + length :]
        elif kind == "double":
            data = data[: start + length] + data[start : start + length] + data[start + length :]
        elif kind == "splinter":
            data = data[:start] + draw(st.sampled_from(SPLINTERS)) + data[start:]
        elif kind == "lines":
            lines = data.split(b"\n")
            one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            how = draw(st.integers(0, 3))
            if how == 0:
                del lines[one]
            elif how == 1:
                lines.insert(other, lines[one])
            elif how == 2:
                lines[one], lines[other] = lines[other], lines[one]
            else:
                lines[one] = b"  " + lines[one]
            data = b"\n".join(lines)
        elif kind == "whole" and draw(st.integers(0, 3)) == 0:
            data = draw(st.sampled_from([b"", b"\0" * 100, b"\xef\xbb\xbf" + data, data * 2, data[::-1]]))
    return data


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values of a tree are, the root left out."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in items:
        found += [(*path, key), *places(value, (*path, key))]
    return found


@st.composite
def damaged_tree(draw: st.DrawFn, good: Any, most: int = 2) -> Any:
    """A tree of mappings, lists and values with some of them replaced, taken out, renamed or moved."""
    tree = deepcopy(good)
    for _ in range(draw(st.integers(1, most))):
        known = places(tree)
        if not known:
            break
        *way, last = draw(st.sampled_from(known))
        inside = tree
        for key in way:
            inside = inside[key]
        kind = draw(st.sampled_from(["value", "value", "value", "out", "rename", "swap", "wrap"]))
        if kind == "value":
            inside[last] = deepcopy(draw(st.sampled_from(VALUES)))
        elif kind == "out":
            del inside[last]
        elif kind == "rename" and isinstance(inside, dict):
            inside[draw(st.sampled_from([str(last)[:-1], str(last) + "s", "", "__class__", "é"]))] = (
                inside.pop(last)
            )
        elif kind == "wrap":
            inside[last] = draw(st.sampled_from([lambda v: [v], lambda v: {"x": v}, str]))(inside[last])
        elif kind == "swap":
            *other_way, other = draw(st.sampled_from(known))
            value: Any = tree
            for key in (*other_way, other):
                value = value[key]
            inside[last] = deepcopy(value)
    return tree


def as_yaml(tree: Any) -> bytes:
    """A tree as a file."""
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def as_json(tree: Any) -> bytes:
    """A tree as a file; NaN and infinity as Python writes them."""
    return json.dumps(tree).encode()


def damaged_file(
    good: bytes, read: Callable[[bytes], Any], write: Callable[[Any], bytes]
) -> st.SearchStrategy[bytes]:
    """A text file damaged as bytes or, more often, as the tree of values that it holds."""
    trees = damaged_tree(read(good)).map(write)
    return st.one_of(trees, trees, damaged_bytes(good))
