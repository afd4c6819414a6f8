"""A trial's checkpoints: written whole, with the one before kept, and what to go on from after a stop."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from autostr_nni.reading.checkpoint import Damaged, load_file
from autostr_nni.runs.figures import number
from autostr_nni.runs.layout import (
    ARCHITECTURE,
    BEST,
    CLIMBED,
    FAULT,
    FINALIST,
    LAST,
    LOCK,
    RANKED,
    RESULT,
    WORD_LOSSES,
)
from autostr_nni.runs.records import read_metrics, read_result
from autostr_nni.system.files import keep_previous, previous_of, whole_file, write_atomic
from autostr_nni.system.json_text import read_json, read_lines
from autostr_nni.system.locks import is_held


class CheckpointFiles(TorchCheckpointIO):
    """How Lightning writes ``last.ckpt``: beside the old one, which stays as ``last.previous.ckpt``.

    Lightning's own way goes through the system's folder for temporary files, which may be full or elsewhere.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` whole or not at all. Raises NoSpace where the disk is full."""
        path, packed = Path(path), io.BytesIO()
        torch.save(checkpoint, packed)
        with whole_file(path) as temporary:
            temporary.write_bytes(packed.getbuffer())
            keep_previous(path)


def checkpoint_of(folder: Path) -> Path | None:
    """The checkpoint that a trial in ``folder`` goes on from: the last one that can be read; None for none.

    What cannot be read is told and removed, and with the last of them what others had spent on it.
    """
    last = folder / LAST
    previous = previous_of(last)
    if last.exists() and not readable(last):
        _remove(last, "the trial goes on from the checkpoint before it" if readable(previous) else None)
    if not last.exists() and previous.exists():
        if readable(previous):
            os.replace(previous, last)
        else:
            _remove(previous, None)
    if last.exists():
        return last
    (folder / CLIMBED).unlink(missing_ok=True)
    return None


def _remove(path: Path, instead: str | None) -> None:
    path.unlink()
    print(f"{path} is damaged: {instead or 'the trial starts again from its beginning'}", flush=True)


def forget_previous(folder: Path) -> None:
    """Remove the checkpoint before the last, which a trial with a result has no use for."""
    previous_of(folder / LAST).unlink(missing_ok=True)


def readable(path: Path) -> bool:
    """Whether a checkpoint can be read whole. Raises InputError where that is not the file's fault."""
    try:
        load_file(path, "it is not gone on from")
    except Damaged:
        return False
    return True


def take_over(folder: Path, others: Iterable[Path]) -> Path | None:
    """Let a trial that repeats another go on where that one was cut short; the folder it goes on from.

    Args:
        folder: the trial's own. Nothing is done if it holds a checkpoint.
        others: folders of trials with the same parameters. One counts that was killed, cancelled or without
            space: what broke down by itself is repeated from its beginning, and one that runs is not over.
    """
    # The result comes last: with it a trial is done, and others take what lies beside it.
    saved = (BEST, ARCHITECTURE, previous_of(Path(LAST)).name, WORD_LOSSES, RANKED, LAST, RESULT)
    over = [other for other in others if not is_held(other / LOCK)]
    cut_short = [other for other in over if _going_on(other) and not (other / FAULT).exists()]
    if not cut_short or any((folder / name).exists() for name in saved):
        return None
    newest = max(cut_short, key=_going_on)
    write_atomic(folder / CLIMBED, json.dumps({"from": newest.name, **_spent(newest)}))
    inherited = [path.name for path in newest.glob(FINALIST.format("finalist-*"))]
    for name in (*inherited, *saved):
        if (newest / name).exists():
            shutil.copy2(newest / name, folder / f".{name}")
            os.replace(folder / f".{name}", folder / name)
    print(f"going on where the trial in {newest} was cut short", flush=True)
    return newest


def _spent(folder: Path) -> dict[str, float]:
    """The images and seconds behind what a trial leaves, as far as its own figures count them."""
    told = [*read_metrics(folder), read_json(folder / CLIMBED)]
    left = _figures_left(folder)
    return {
        key: min(number(left, key) or 0.0, max(number(line, key) or 0.0 for line in told))
        for key in ("images_seen", "seconds")
    }


def _figures_left(folder: Path) -> Mapping[str, Any]:
    """Those at which a trial would go on: of its result, its checkpoint, or the nets that it has ranked."""
    result = read_result(folder).get("metrics")
    if result:
        return result
    for last in (folder / LAST, previous_of(folder / LAST)):
        with suppress(Damaged):
            state = load_file(last, "it is not gone on from").get("autostr")
            return state if isinstance(state, Mapping) else {}
    return next(iter(read_lines(folder / RANKED)[-1:]), {})


def _going_on(folder: Path) -> float:
    """When a trial last left what it goes on from: a checkpoint or ranked nets; 0 where it left none."""
    return max(
        (path.stat().st_mtime for name in (LAST, RANKED) if (path := folder / name).exists()), default=0.0
    )
