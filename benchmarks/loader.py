"""Images per second from LMDB to batch, beside decoders alone and a plain Pillow and torchvision pipeline.

    python benchmarks/loader.py [--set FOLDER] [--words 4000] [--runs 7] [--batch 64] [--json]

Rendered words of style scene, or any set. The floor is one tight loop in a process of its own over encoded
images that are in memory already: JPEG decoding and resizing with the fastest library that is installed
(Pillow, torchvision, OpenCV and simplejpeg are tried). Two such loops at once, in two processes, tell what
the machine itself makes of two workers. All of a run's figures are taken in turn; medians of all runs.

The cores of a virtual machine can differ in speed by a fifth, for minutes. So within a run the floor
and a single worker are kept to the same core, the next one in every run.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import transforms
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional as F

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.loader import make_loader
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.synth.produce import synthesize
from autostr_nni.system.freed_memory import keep_freed_memory

SIZES = {"backbone 32x100": (32, 100), "rectifier 64x256": (64, 256)}
Decode = Callable[[bytes, int, int], Any]


def pillow(data: bytes, height: int, width: int) -> Any:
    picture = Image.open(io.BytesIO(data))
    picture.draft("RGB", (width, height))
    return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def torchvision(data: bytes, height: int, width: int) -> Any:
    pixels = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
    return F.resize(pixels, [height, width], antialias=True)


def opencv(data: bytes, height: int, width: int) -> Any:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)


def simplejpeg_opencv(data: bytes, height: int, width: int) -> Any:
    import simplejpeg

    pixels = simplejpeg.decode_jpeg(data, "RGB")
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)


def decoders() -> dict[str, Decode]:
    """The libraries that are installed."""
    found: dict[str, Decode] = {"Pillow": pillow, "torchvision": torchvision, "OpenCV": opencv}
    if find_spec("simplejpeg"):
        found["simplejpeg and OpenCV"] = simplejpeg_opencv
    return found


def decoded_per_second(decode: Decode, encoded: list[bytes], size: tuple[int, int]) -> float:
    """Images per second of one loop over bytes in memory."""
    started = time.perf_counter()
    for data in encoded:
        decode(data, *size)
    return len(encoded) / (time.perf_counter() - started)


class Together:
    """The loop of `decoded_per_second` in several processes at once."""

    def __init__(self, count: int, decode: Decode, encoded: list[bytes], size: tuple[int, int]) -> None:
        self.images = count * len(encoded)
        self.ends, self.processes = [], []
        for _ in range(count):
            ours, theirs = multiprocessing.Pipe()
            args = (theirs, decode, encoded, size)
            process = multiprocessing.get_context("fork").Process(target=self._work, args=args, daemon=True)
            process.start()
            self.processes.append(process.pid)
            self.ends.append(ours)

    def per_second(self) -> float:
        """Images per second of all together, until the last is done."""
        started = time.perf_counter()
        for end in self.ends:
            end.send(True)
        for end in self.ends:
            end.recv()
        return self.images / (time.perf_counter() - started)

    @staticmethod
    def _work(end: Any, decode: Decode, encoded: list[bytes], size: tuple[int, int]) -> None:
        encoded = [bytes(bytearray(data)) for data in encoded]  # not the memory of the other processes
        while end.recv():
            end.send(decoded_per_second(decode, encoded, size))


class Endless(Sampler[int]):
    """All words again and again, shuffled: loader processes never come to the end of an epoch."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Iterator[int]:
        for turn in itertools.count():
            yield from np.random.default_rng(turn).permutation(self.length).tolist()


class PlainWords(Dataset[tuple[torch.Tensor, str]]):
    """What a first attempt looks like: Pillow, torchvision's transforms, one sample at a time."""

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        self.reader = LmdbReader(folder)
        self.transform = transforms.Compose([transforms.Resize(size), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
        data, label = self.reader.sample(index + 1)
        assert data is not None and label is not None
        return self.transform(Image.open(io.BytesIO(data)).convert("RGB")), label


class Stream:
    """An endless loader, whose steady state is timed."""

    def __init__(self, loader: DataLoader[Any], batch: int) -> None:
        self.batch = batch
        self.ready = 8 * max(1, loader.num_workers)  # batches that may have been waiting since the last turn
        before = {process.pid for process in multiprocessing.active_children()}
        self.batches = iter(loader)
        next(self.batches)
        self.processes = [p.pid for p in multiprocessing.active_children() if p.pid not in before]

    def per_second(self, count: int) -> float:
        """Images per second over ``count`` batches."""
        for _ in range(self.ready):
            next(self.batches)
        started = time.perf_counter()
        for _ in range(count):
            next(self.batches)
        return count * self.batch / (time.perf_counter() - started)


def throughput(
    folder: Path, size: tuple[int, int], batch: int, runs: int, images: int
) -> dict[str, list[float]]:
    """Images per second of every run: every decoder, our loader, the plain one."""
    torch.set_num_threads(1)
    keep_freed_memory()  # as in a training, for all alike
    words = WordDataset(folder, Charset.named("printable"), 25, size)
    encoded = [data for i in range(min(2000, len(words))) if (data := words.encoded(i)) is not None]
    streams: dict[str, Stream] = {}
    for workers in (0, 1, 2):
        loader = make_loader(words, batch, workers, Endless(len(words)))
        streams[f"ours, {workers} workers"] = Stream(loader, batch)
    plain = PlainWords(folder, size)
    for workers in (1, 2):
        theirs = DataLoader(plain, batch, sampler=Endless(len(plain)), num_workers=workers)
        streams[f"plain, {workers} workers"] = Stream(theirs, batch)
    fastest = max(decoders(), key=lambda name: decoded_per_second(decoders()[name], encoded, size))
    bare = {
        f"bare, {count} processes": Together(count, decoders()[fastest], encoded, size) for count in (1, 2)
    }
    found: dict[str, list[float]] = {}
    cores = itertools.cycle(sorted(os.sched_getaffinity(0)))
    for _, core in zip(range(runs), cores, strict=False):
        for alone in (bare["bare, 1 processes"], streams["ours, 1 workers"], streams["plain, 1 workers"]):
            os.sched_setaffinity(alone.processes[0], {core})
        for name, decode in decoders().items():
            found.setdefault(name, []).append(decoded_per_second(decode, encoded, size))
        for name, together in bare.items():
            found.setdefault(name, []).append(together.per_second())
        for name, stream in streams.items():
            part = images // 4 if name.startswith("plain") else images
            found.setdefault(name, []).append(stream.per_second(part // batch))
    return found


def ratios(found: dict[str, list[float]]) -> dict[str, float]:
    """The ratios that were aimed at: medians of those of each run, or of two runs where both cores count."""

    def over(first: str, second: str) -> float:
        return statistics.median(a / b for a, b in zip(found[first], found[second], strict=True))

    def over_both_cores(first: str, second: str) -> float:
        pairs = itertools.pairwise(range(len(found[first])))
        return statistics.median(
            (found[first][i] + found[first][j]) / (found[second][i] + found[second][j]) for i, j in pairs
        )

    in_process = max(decoders(), key=lambda name: statistics.median(found[name]))
    return {
        "ours, 1 worker / floor": over("ours, 1 workers", "bare, 1 processes"),
        "ours, 2 workers / 1 worker": over_both_cores("ours, 2 workers", "ours, 1 workers"),
        "bare, 2 processes / 1 process": over_both_cores("bare, 2 processes", "bare, 1 processes"),
        "ours, 1 worker / loop in this process": over("ours, 1 workers", in_process),
        "ours / plain, 1 worker": over("ours, 1 workers", "plain, 1 workers"),
        "ours / plain, 2 workers": over("ours, 2 workers", "plain, 2 workers"),
    }


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description="Images per second from LMDB to batch.")
    parser.add_argument("--set", type=Path, help="a set of words; rendered ones by default")
    parser.add_argument("--words", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--images", type=int, default=12800, help="images of one measurement")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result: dict[str, Any] = {"batch": args.batch, "runs": args.runs}
    with tempfile.TemporaryDirectory() as temporary:
        words = args.set or Path(temporary, "words")
        if args.set is None:
            synthesize(words, args.words)
        for name, size in SIZES.items():
            found = throughput(words, size, args.batch, args.runs, args.images)
            medians = {one: statistics.median(values) for one, values in found.items()}
            result[name] = {"images per second": medians, "ratios": ratios(found)}
    if args.json:
        print(json.dumps(result, indent=2))
        return
    show(result)


def show(values: dict[str, Any], indent: str = "") -> None:
    """Nested figures, one a line."""
    for key, value in values.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            show(value, indent + "  ")
        else:
            text = (
                value if not isinstance(value, float) else f"{value:,.0f}" if value > 100 else f"{value:.3f}"
            )
            print(f"{indent}{key:<40}{text:>18}")


if __name__ == "__main__":
    main()
