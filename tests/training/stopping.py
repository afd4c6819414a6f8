"""Trials that are stopped, and what must be the same at their end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from autostr_nni.runs.layout import BEST, LAST, PULSE
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.training.callbacks import within_epoch


class Killed(BaseException):
    """Stands for the end of the process."""


class Log:
    """Keeps reports; stops the trial at a chosen one, counted from 1."""

    def __init__(self, stop_at: int = 0) -> None:
        self.reports: list[tuple[dict[str, Any], bool]] = []
        self.stop_at = stop_at

    def __call__(self, metrics: dict[str, Any], final: bool) -> None:
        self.reports.append((dict(metrics), final))
        if len(self.reports) == self.stop_at:
            raise Killed


def timeless(content: Any) -> Any:
    """The same content without seconds."""
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key != "seconds"}
    return [timeless(item) for item in content] if isinstance(content, list) else content


def same(a: Any, b: Any) -> bool:
    """Equality in depth, of tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def checkpoint(folder: Path) -> dict[str, Any]:
    content = torch.load(folder / LAST, weights_only=True)
    return {
        key: timeless(content[key])
        for key in ("epoch", "global_step", "state_dict", "optimizer_states", "autostr")
    }


def assert_same_end(folder: Path, expected: Path) -> None:
    assert timeless(read_metrics(folder)) == timeless(read_metrics(expected))
    assert timeless(read_result(folder)) == timeless(read_result(expected))
    assert same(checkpoint(folder), checkpoint(expected))
    assert (folder / BEST).exists() == (expected / BEST).exists()
    if (expected / BEST).exists():
        a, b = (torch.load(place / BEST, weights_only=True) for place in (folder, expected))
        assert same(a["weights"], b["weights"])
        assert timeless(json.loads(a["metrics"])) == timeless(json.loads(b["metrics"]))
    left = [{path.name for path in place.iterdir()} - {PULSE} for place in (folder, expected)]
    assert left[0] == left[1]  # of a trial of more than some seconds there is a pulse too
    if (expected / "probabilities.jsonl").exists():
        text = (folder / "probabilities.jsonl").read_text()
        assert text == (expected / "probabilities.jsonl").read_text() and len(text.splitlines()) == 3
    for name in {"architecture.json"} & left[1]:  # a supernet is of none
        assert (folder / name).read_text() == (expected / name).read_text()


def saving_within_epochs(monkeypatch: pytest.MonkeyPatch, every: int, stop_after: int = 0) -> list[int]:
    """Save after every so many batches of an epoch; end the process right after the n-th such save."""
    saves: list[int] = []
    save = pl.Trainer.save_checkpoint

    def watched(trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        save(trainer, *args, **kwargs)
        task = trainer.lightning_module
        if task.batches_done:
            saves.append(task.batches_done)
            if len(saves) == stop_after:
                raise Killed

    monkeypatch.setattr(within_epoch.WithinEpoch, "due", lambda self, done: done % every == 0)
    monkeypatch.setattr(pl.Trainer, "save_checkpoint", watched)
    return saves
