"""Checkpoints made to do harm: code in pickles, bombs, sizes that are not there."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz_worker import REFUSED, Reader, judge

pytestmark = pytest.mark.slow("many damaged files, each read by commands")


class Trap:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def zipped(entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """The good checkpoint's content after a change."""

    def make(good: bytes) -> bytes:
        content = torch.load(io.BytesIO(good), weights_only=True)
        content = change(content) or content
        file = io.BytesIO()
        torch.save(content, file)
        return file.getvalue()

    return make


def weight(value: Any) -> Callable[[bytes], bytes]:
    """The good checkpoint with another value in place of its first weight."""

    def change(content: dict[str, Any]) -> None:
        first = next(iter(content["weights"]))
        content["weights"][first] = value(content["weights"][first]) if callable(value) else value

    return changed(change)


def recipe(key: str, section: str, value: Any) -> Callable[[bytes], bytes]:
    """The good checkpoint with another recipe in it."""

    def change(content: dict[str, Any]) -> None:
        told = json.loads(content["recipe"])
        told[section][key] = value
        content["recipe"] = json.dumps(told)

    return changed(change)


def claimed(good: bytes) -> bytes:
    """The good checkpoint, its first storage said to be a thousand times as long as it is."""
    file = io.BytesIO(good)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in entries if name.endswith("data.pkl"))
    # In the pickle: ('storage', type, key, 'cpu', number of elements).
    before, cpu, after = entries[name].partition(b"X\x03\x00\x00\x00cpu")
    memo, number = after[:2], after[2:]
    assert cpu and number[:1] in (b"K", b"M")
    skip = 2 if number[:1] == b"K" else 3
    entries[name] = before + cpu + memo + b"J\xff\xff\xff\x0f" + number[skip:]
    return zipped(entries)


CHECKPOINTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda good: b"",
    "text": lambda good: b"these are no weights",
    "a bomb": lambda good: zipped({"a/data.pkl": bytes(1 << 28)}, zipfile.ZIP_DEFLATED),
    "code": lambda good: pickle.dumps(Trap()),
    "code in an archive": lambda good: zipped({"a/data.pkl": pickle.dumps(Trap()), "a/version": b"3"}),
    "code in a part": changed(lambda content: {**content, "metrics": Trap()}),
    "a list": changed(lambda content: [1, 2]),
    "another program's": changed(lambda content: content["weights"]),
    "another format": changed(lambda content: {**content, "format": "autostr_nni recognizer 99"}),
    "a format that is no text": changed(lambda content: {**content, "format": torch.zeros(2)}),
    "no recipe": changed(lambda content: content.pop("recipe") and None),
    "a recipe of numbers": changed(lambda content: {**content, "recipe": 3}),
    "a recipe nested deeply": changed(lambda content: {**content, "recipe": "[" * 100_000}),
    "layers that are none": changed(lambda content: {**content, "stage_layers": [0, -1, "x"]}),
    "layers without end": changed(lambda content: {**content, "stage_layers": [10**9] * 5}),
    "an architecture of another space": changed(lambda content: {**content, "architecture": "{}"}),
    "metrics that are no JSON": changed(lambda content: {**content, "metrics": "{"}),
    "no weights": changed(lambda content: {**content, "weights": {}}),
    "weights in a list": changed(lambda content: {**content, "weights": [1.0]}),
    "a weight of another shape": weight(torch.zeros(1, 1)),
    "a weight of another type": weight(lambda old: old.double()),
    "a weight that is text": weight("weight"),
    "a weight of no number": weight(lambda old: old * float("nan")),
    "a sparse weight": weight(lambda old: old.flatten().to_sparse()),
    "a weight as large as memory": weight(lambda old: torch.zeros(1).expand(10**12)),
    "a storage that claims too much": claimed,
    "a net as large as memory": recipe("stem_width", "model", 8192),
    "wide everywhere": recipe("stage_widths", "model", [8192] * 5),
    "another charset": recipe("charset", "data", "0123"),
    "half of it": lambda good: good[: len(good) // 2],
    "twice": lambda good: good + good,
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(good: Path, reader: Reader, work: Path, name: str) -> None:
    (work / "odd.ckpt").write_bytes(CHECKPOINTS[name]((good / "net.ckpt").read_bytes()))
    told = judge(reader.run(["read", "odd.ckpt", "word.png"], work), ["odd.ckpt"])
    assert told == REFUSED or name in ("twice", "a storage that claims too much")
    assert not (work / "ran").exists()
