"""Export of a recognizer: written, run, compared with PyTorch, and only then put in its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from autostr_nni.data.charset import Charset
from autostr_nni.export.about import OUTPUTS, about
from autostr_nni.export.formats import FORMATS, Format, Run, example
from autostr_nni.models.recognizer import Recognizer, input_size
from autostr_nni.models.traceable import FeatureReader, UnrolledReader
from autostr_nni.reading.checkpoint import Trained
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import check_new_file, whole_file

#: Batches that an exported file is checked at: alone, an odd one, and a usual one.
BATCHES = (1, 7, 64)
#: Largest difference of logits, or of features, that counts as equal.
TOLERANCE = 1e-4


class NotEqual(Exception):
    """The file does not compute what PyTorch does: a fault of the exporter, not of the user."""


@dataclass(frozen=True)
class Comparison:
    """What a file gave at one batch size; speeds in words per second on this machine."""

    batch: int
    words: int
    largest_difference: float  # of logits or features
    words_per_second: float
    torch_words_per_second: float


@dataclass(frozen=True)
class Exported:
    """A written file and what was seen while checking it."""

    file: str
    format: str
    part: str
    bytes: int
    seconds: float
    about: dict[str, str]
    comparisons: list[Comparison] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain types."""
        return asdict(self)


def format_of(file: Path) -> Format:
    """The format by the file's suffix. Raises InputError for one that is none of ours."""
    if file.suffix.lower() not in FORMATS:
        known = ", ".join(f"{suffix} ({format.name})" for suffix, format in FORMATS.items())
        raise InputError(f"{file}: the suffix tells the format, which is one of {known}")
    return FORMATS[file.suffix.lower()]


def check_place(file: Path) -> None:
    """Raise InputError if the file cannot be written, or not in a known format, or not with what is here."""
    format_of(file).check_installed()
    check_new_file(file)


def export(trained: Trained, file: Path, images: np.ndarray, part: str = "recognizer") -> Exported:
    """Write ``file`` in the format of its suffix; it appears only if it equals PyTorch on ``images``.

    Args:
        trained: a recognizer in evaluation mode, on the CPU.
        images: uint8 ``[N, 3, h, w]`` of words, as the recognizer wants them.
        part: "recognizer" with greedy decoding inside, or "encoder" for the features alone.

    Raises:
        InputError: the place or the suffix cannot be used, or the format's packages are missing.
        NotEqual: another text, or a difference of logits above 1e-4. Nothing is left behind.
    """
    check_place(file)
    format = format_of(file)
    recognizer = trained.recognizer
    if part == "encoder":
        net: nn.Module = FeatureReader(recognizer)
    else:
        net = decoding_inside(recognizer, trained.longest)
    facts = about(trained, part)
    started = time.perf_counter()
    with whole_file(file) as temporary:
        format.write(net.eval(), example(*input_size(trained.recipe.model)), temporary, OUTPUTS[part], facts)
        seconds = time.perf_counter() - started
        found = compare(trained, net, format.load(temporary), images, part)
        size = temporary.stat().st_size
    return Exported(str(file), format.name, part, size, round(seconds, 2), facts, found)


def decoding_inside(recognizer: Recognizer, max_length: int) -> nn.Module:
    """What is exported of a recognizer: from images to ids, confidence and logits of its longest words."""
    return _Outputs(UnrolledReader(recognizer, max_length))


class _Outputs(nn.Module):
    """The outputs that a file has: attention stays inside."""

    def __init__(self, reader: UnrolledReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.reader(images)[:3])


def compare(trained: Trained, net: nn.Module, run: Run, images: np.ndarray, part: str) -> list[Comparison]:
    """Run file and PyTorch on all images at every batch size. Raises NotEqual where they differ."""
    charset = Charset.named(trained.recipe.data.charset)
    longest = trained.longest

    def own(pixels: np.ndarray) -> Any:
        tensor = torch.from_numpy(pixels)
        with torch.inference_mode():
            return trained.recognizer.read(tensor, longest) if part == "recognizer" else net(tensor)

    def expected(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = net(torch.from_numpy(pixels))
        last: np.ndarray = (found[-1] if part == "recognizer" else found).numpy()
        return last

    truth = np.concatenate([expected(part_) for part_ in _batches(images, 64)])
    result = []
    for batch in BATCHES:
        theirs, their_seconds = _timed(run, images, batch)
        ours, our_seconds = _timed(own, images, batch)
        if part == "recognizer":
            for number, (mine, other) in enumerate(
                zip(_texts(charset, ours), _texts(charset, theirs), strict=True)
            ):
                if mine != other:
                    raise NotEqual(f"word {number + 1} reads {other!r} at batch {batch}, {mine!r} in PyTorch")
        values = np.concatenate([outputs[-1] for outputs in theirs])
        if values.shape != truth.shape:
            raise NotEqual(f"its output has the shape {values.shape}, not {truth.shape}")
        difference = float(np.abs(values - truth).max())
        if not difference <= TOLERANCE:  # NaN too
            raise NotEqual(f"at batch {batch} it differs from PyTorch by {difference:.2g}, above {TOLERANCE}")
        count = len(images)
        result.append(
            Comparison(
                batch, count, difference, round(count / their_seconds, 1), round(count / our_seconds, 1)
            )
        )
    return result


def texts_at(charset: Charset, run: Run, images: np.ndarray, batch: int) -> list[str]:
    """Words that a recognizer's file reads, so many images at a time."""
    return _texts(charset, [run(part) for part in _batches(images, batch)])


def _batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _timed(run: Callable[[np.ndarray], Any], images: np.ndarray, batch: int) -> tuple[list[Any], float]:
    """Outputs by batch and the seconds they took; the first call, which prepares much, is not counted."""
    run(images[:batch])
    started = time.perf_counter()
    outputs = [run(part) for part in _batches(images, batch)]
    return outputs, max(time.perf_counter() - started, 1e-9)


def _texts(charset: Charset, outputs: Sequence[Any]) -> list[str]:
    """Words of outputs whose first member holds class numbers ``[B, steps]``."""
    return [charset.decode(ids) for output in outputs for ids in output[0].tolist()]
