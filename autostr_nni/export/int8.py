"""Export in 8-bit integers: the file must read nearly as many words as in float32, or it does not appear."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.loader import make_loader
from autostr_nni.export.about import about
from autostr_nni.export.formats import Run, load_onnx
from autostr_nni.export.latency import ROUNDS, latencies
from autostr_nni.export.quantizing import Convolutions, quantize
from autostr_nni.export.write import BATCHES, NotEqual, check_place, export, texts_at
from autostr_nni.reading.checkpoint import Trained
from autostr_nni.reading.evaluation import check_any_decoded, open_set, open_test_set
from autostr_nni.reading.metrics import Scores, score
from autostr_nni.recipe import Recipe
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import whole_file

#: Words that the scales are fixed by, drawn by the recipe's seed.
CALIBRATION = 256
#: Images at a time that both files are timed with, and rounds of that.
TIMED = {1: ROUNDS, 32: 9}


class Dropped(NotEqual):
    """The file in integers reads too many words less than the one in float32."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a batch in onnxruntime: medians of runs that took turns."""

    batch: int
    float32_ms: float
    int8_ms: float


@dataclass(frozen=True)
class Int8:
    """A written file, and how it compares with float32."""

    file: str
    bytes: int
    float32_bytes: int
    seconds: float
    about: dict[str, str]
    convolutions: Convolutions
    calibration: dict[str, Any]  # set, words, undecodable
    check: dict[str, Any]  # sets, and a report of the words that are used
    float32: Scores
    int8: Scores
    drop: float  # of word accuracy, in percentage points
    threads: int
    latency: list[Latency] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain types."""
        return asdict(self)


def check_place_and_drop(file: Path, max_drop: float) -> None:
    """Raise InputError where the file cannot be written in integers, or the drop is no number of points."""
    check_place(file)
    if file.suffix.lower() != ".onnx":
        raise InputError(f"--int8: {file} is not ONNX, which alone has it; name a file that ends in .onnx")
    if not 0 <= max_drop <= 100:
        raise InputError(f"--max-drop: {max_drop:g} is not between 0 and 100 percentage points")


def export_int8(
    trained: Trained, file: Path, calibrate: Path, check: Path | None, max_drop: float, words: int
) -> Int8:
    """Write ``file`` as ONNX in 8-bit integers; it appears only if it reads words as float32 does.

    Args:
        trained: a recognizer in evaluation mode, on the CPU.
        calibrate: set, or folder of sets, of words that fix the scales.
        check: the set that word accuracy is compared on; None for those that chose the net.
        max_drop: percentage points of word accuracy that may be lost.
        words: of the calibration, to compare float32 with PyTorch on, and int8 alone with int8 in batches.

    Raises:
        InputError: the place cannot be used, a set cannot be read, or packages are missing.
        NotEqual: float32 differs from PyTorch, or int8 reads a word otherwise in a batch than alone.
        Dropped: more is lost than may be. In all cases nothing is left behind.
    """
    check_place_and_drop(file, max_drop)
    recipe = trained.recipe
    images, calibration = calibration_words(recipe, calibrate, max(CALIBRATION, words))
    started = time.perf_counter()
    with closing(checked_words(recipe, check)) as dataset, tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float32.onnx"
        export(trained, plain, images[:words])
        facts = {**about(trained, "recognizer"), "precision": "int8"}
        with whole_file(file) as temporary:
            convolutions = quantize(plain, temporary, images[:CALIBRATION], facts)
            runs = {"float32": load_onnx(plain), "int8": load_onnx(temporary)}
            seconds = time.perf_counter() - started
            check_alone(recipe, runs["int8"], images[:words])
            scores = compared(recipe, runs, dataset)
            drop = check_drop(scores, max_drop, dataset)
            return Int8(
                file=str(file),
                bytes=temporary.stat().st_size,
                float32_bytes=plain.stat().st_size,
                seconds=round(seconds, 2),
                about=facts,
                convolutions=convolutions,
                calibration={"set": str(calibrate), **calibration},
                check={"sets": list(map(str, dataset.folders)), "words": dataset.report()},
                **scores,
                drop=drop,
                threads=torch.get_num_threads(),
                latency=[timed(runs, images, batch) for batch in TIMED],
            )


def calibration_words(recipe: Recipe, folder: Path, count: int) -> tuple[np.ndarray, dict[str, int]]:
    """Images uint8 ``[N, 3, h, w]`` of words drawn by the recipe's seed, and how many could be decoded."""
    with closing(open_set(recipe, [folder], count)) as dataset:
        batch = dataset.batch(range(len(dataset)))
        check_any_decoded(dataset, len(batch.images))
    images = np.ascontiguousarray(batch.images.numpy())
    return images, {"words": len(images), "undecodable": batch.dropped}


def checked_words(recipe: Recipe, folder: Path | None) -> WordDataset:
    """The words that accuracy is compared on."""
    if folder is not None:
        return open_test_set(recipe, folder)
    try:
        sources = recipe.data.validation_for("epochs")
        return open_set(recipe, sources, recipe.data.validation_limit, once=True)
    except InputError as error:
        raise InputError(f"the net's own validation words: {error}; or name a set with --check") from None


def compared(recipe: Recipe, runs: Mapping[str, Run], dataset: WordDataset) -> dict[str, Scores]:
    """The scores of every file on all words of a set."""
    charset = Charset.named(recipe.data.charset)
    pairs: dict[str, list[tuple[str, str]]] = {name: [] for name in runs}
    for batch in make_loader(dataset, BATCHES[-1], recipe.data.workers):
        if not len(batch.images):
            continue
        images = np.ascontiguousarray(batch.images.numpy())
        for name, run in runs.items():
            texts = [charset.decode(ids) for ids in run(images)[0].tolist()]
            pairs[name] += zip(texts, batch.texts, strict=True)
    check_any_decoded(dataset, len(pairs["int8"]))
    return {name: score(found, charset) for name, found in pairs.items()}


def check_alone(recipe: Recipe, run: Run, images: np.ndarray) -> None:
    """Raise NotEqual where a word is read otherwise in a batch than alone."""
    charset = Charset.named(recipe.data.charset)
    alone, *others = (texts_at(charset, run, images, batch) for batch in BATCHES)
    for batch, texts in zip(BATCHES[1:], others, strict=True):
        for number, (one, other) in enumerate(zip(alone, texts, strict=True), 1):
            if one != other:
                raise NotEqual(f"in int8 word {number} reads {other!r} at batch {batch}, {one!r} alone")


def timed(runs: Mapping[str, Run], images: np.ndarray, batch: int) -> Latency:
    """Both files on the same images."""
    pair = [runs["float32"], runs["int8"]]
    plain, small = latencies(pair, images, TIMED[batch], batch)
    return Latency(batch, 1000 * plain, 1000 * small)


def check_drop(scores: Mapping[str, Scores], max_drop: float, dataset: WordDataset) -> float:
    """Percentage points of word accuracy that are lost. Raises Dropped where they are more than may be."""
    before, after = (100 * scores[name].word_accuracy for name in ("float32", "int8"))
    if not scores["float32"].correct and max_drop < 100:
        raise Dropped(
            f"in float32 it reads none of the words of {dataset.named()}, so that nothing shows what int8 "
            "loses; name words of its kind with --check, or write it all the same with --max-drop 100"
        )
    if before - after > max_drop + 1e-9:
        raise Dropped(
            f"in int8 it reads {after:.2f} % of the {scores['int8'].words} words of {dataset.named()}, in "
            f"float32 {before:.2f} %, which is {before - after:.2f} points less and --max-drop is "
            f"{max_drop:g}; calibrate with more of the words that it will read, or allow the drop"
        )
    return before - after
