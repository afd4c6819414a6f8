"""Images from a set on disk into batches: how many a second, with so many loader processes."""

from __future__ import annotations

import io
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.loader import EpochSampler, make_loader
from autostr_nni.data.sets.lmdb_write import write_lmdb
from benchmarks.gpu.nets import Figures

BATCH = 512


def loader(tiny: bool) -> Figures:
    """JPEGs of words of about the sizes of MJSynth, resized to 64x256; the first batches are not counted."""
    words, images, counts = (64, 256, (1, 2)) if tiny else (4000, 60_000, (1, 4, 12))
    batch = 32 if tiny else BATCH
    found: Figures = {"cores": {"": os.cpu_count()}}
    with tempfile.TemporaryDirectory() as place:
        write_lmdb(Path(place) / "words", (picture(number) for number in range(words)))
        for processes in counts:
            with closing(
                WordDataset(Path(place) / "words", Charset.named("digits"), 8, (64, 256))
            ) as dataset:
                batches = make_loader(
                    dataset, batch, processes, EpochSampler(len(dataset), images), drop_last=True
                )
                found[f"{processes} processes"] = {"images/s": round(rate(iter(batches), batch, processes))}
    return found


def rate(batches: object, batch: int, processes: int) -> float:
    """Images a second, once every process has given its first batch; for at most 8 s."""
    iterator = iter(batches)  # type: ignore[call-overload]
    for _ in range(processes):
        next(iterator)
    begun, seen = time.perf_counter(), 0
    for _ in iterator:
        seen += batch
        if time.perf_counter() - begun > 8:
            break
    return seen / (time.perf_counter() - begun)


def picture(number: int) -> tuple[bytes, str]:
    """A JPEG of a number on noise, about 31 high and 100 wide, and its text."""
    random = np.random.default_rng(number)
    text = str(random.integers(10**7))
    noise = random.integers(150, 256, (31, int(random.integers(60, 140)), 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    ImageDraw.Draw(image).text((4, 8), text, fill="black")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue(), text
