"""Evaluation of a recognizer on word image sets."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import Batch, WordDataset
from autostr_nni.data.decoding.images import UNDECODABLE, fitting_of
from autostr_nni.data.loader import make_loader
from autostr_nni.data.sets.folders import find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.models.folded_batch_norm import folded
from autostr_nni.models.recognizer import Recognizer, input_size
from autostr_nni.models.translator import AttentionDecoder
from autostr_nni.reading.checkpoint import Trained, longest_read
from autostr_nni.reading.memory import memory_told
from autostr_nni.reading.metrics import Scores, comparable, score
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.data import POOLED
from autostr_nni.recipe.words.sources import WordSource
from autostr_nni.runs.figures import SetFigures
from autostr_nni.system.errors import InputError

_ENOUGH = 100  # words for a mean of some of a set


@dataclass(frozen=True)
class Evaluation:
    """Scores of one set, the mean recognition loss of a word, and what could not be used, by cause."""

    scores: Scores
    loss: float
    skipped: Mapping[str, int]
    losses: Sequence[float] = ()  # of every word that was read, in order
    texts: Sequence[str] = ()  # and what it says
    blind: float = 0.0  # share of the commonest word: the word accuracy of a net that looks at no image

    @property
    def read(self) -> int:
        """Words that were read, those that have nothing to compare included."""
        return self.scores.words + self.scores.empty

    def loss_of_short(self, longest: int, charset: Charset) -> float | None:
        """Mean loss of the words of up to ``longest`` characters of the charset; None where these are fewer
        than 100, whose mean is mostly noise."""
        words = zip(self.losses, self.texts, strict=True)
        losses = [loss for loss, text in words if len(charset.clean(text)[0]) <= longest]
        return fsum(losses) / len(losses) if len(losses) >= _ENOUGH else None

    def to_dict(self) -> SetFigures:
        """All figures by name, flat but for ``skipped``."""
        return {**cast(SetFigures, self.scores.to_dict()), "loss": self.loss, "skipped": dict(self.skipped)}


class Reader:
    """Reads batches with one recognizer and collects words, losses and counts."""

    def __init__(self, recognizer: Recognizer, charset: Charset, max_length: int, beam: int = 1) -> None:
        self.recognizer, self.charset = recognizer, charset
        self.max_length, self.beam = max_length, beam
        self.reset()

    def reset(self) -> None:
        """Forget what was read."""
        self.pairs: list[tuple[str, str]] = []
        self.confidences: list[float] = []
        self.batches: list[tuple[int, int]] = []  # words read and images dropped, by batch
        self.losses: list[float] = []
        self.undecodable = 0

    def add(self, batch: Batch) -> None:
        """Read one batch, on the recognizer's device; the features serve loss and decoding alike."""
        self.undecodable += batch.dropped
        self.batches.append((len(batch.images), batch.dropped))
        if len(batch.images):
            self.add_words(batch.images, batch.targets, batch.texts)

    @torch.no_grad()
    def add_words(self, images: Tensor, targets: Tensor, truths: Sequence[str]) -> None:
        """Read images ``[B, 3, h, w]`` with their targets ``[B, L]`` and the words they are compared with."""
        device = self.recognizer.device
        images, targets = images.to(device), targets.to(device)
        features = self.recognizer.features_by_parts(images)
        decoder = self.recognizer.decoder
        if self.beam > 1 and isinstance(decoder, AttentionDecoder):
            reading, logits = decoder.beam(features, self.max_length, self.beam), decoder(features, targets)
        else:
            reading, logits = decoder.greedy_and_logits(features, targets, self.max_length)
        self.losses += decoder.word_losses(logits, targets).tolist()
        texts = [self.charset.decode(ids) for ids in reading.ids.tolist()]
        self.pairs += list(zip(texts, truths, strict=True))
        self.confidences += reading.confidence.tolist()

    @property
    def loss(self) -> float:
        """Mean loss of a word so far."""
        return fsum(self.losses) / max(1, len(self.losses))

    def result(self, skipped: Mapping[str, int]) -> Evaluation:
        """The evaluation of all that was read."""
        counts = {**skipped, **({UNDECODABLE: self.undecodable} if self.undecodable else {})}
        texts = [truth for _, truth in self.pairs]
        scores = score(self.pairs, self.charset)
        alike = Counter(word for text in texts if (word := comparable(text, self.charset)))
        blind = max(alike.values(), default=0) / max(1, scores.words)
        return Evaluation(scores, self.loss, counts, self.losses, texts, blind)


def open_test_set(recipe: Recipe, folder: Path | WordSource) -> WordDataset:
    """A set to be scored: words longer than the recipe's are read like any other, and count."""
    charset = Charset.named(recipe.data.charset)
    size, fitting = input_size(recipe.model), fitting_of(recipe.model)
    return WordDataset([folder], charset, longest_read(recipe), size, seed=recipe.seed, fitting=fitting)


def open_set(
    recipe: Recipe,
    folders: Iterable[Path | WordSource],
    limit: int | None = None,
    max_length: int | None = None,
    once: bool = False,
) -> WordDataset:
    """A word set as the recipe's recognizer wants it: its charset, longest word and image size.

    ``max_length`` keeps to words that are shorter still; ``limit`` to so many words, drawn by the seed;
    ``once`` to as many as the weights of the folders allow, where they have some.
    """
    charset = Charset.named(recipe.data.charset)
    size, fitting = input_size(recipe.model), fitting_of(recipe.model)
    longest = min(recipe.data.max_length, max_length or recipe.data.max_length)
    steps = recipe.model.ctc_steps
    return WordDataset(list(folders), charset, longest, size, limit, recipe.seed, once, fitting, steps)


def check_any_decoded(dataset: WordDataset, decoded: int) -> None:
    """Raise InputError where ``decoded``, the words of a set that could be used, is 0."""
    if not decoded:
        check = shlex.join(["autostr", "data", "check", *map(str, dataset.folders[:3])])
        raise InputError(
            f"none of the images of {dataset.named()} can be decoded: look at them with `{check}`"
        )


def evaluate(
    trained: Trained, dataset: WordDataset, batch_key: str = "evaluation.batch_size"
) -> tuple[Evaluation, Reader]:
    """Read a whole set in evaluation mode; the reader holds every (prediction, truth) and confidence.

    ``batch_key`` is what to write a smaller batch to where memory runs out.
    """
    options, workers = trained.recipe.evaluation, trained.recipe.data.workers
    reader = Reader(folded(trained.recognizer), dataset.charset, dataset.max_length, options.width)
    with memory_told(batch_key, options.batch_size):
        for batch in make_loader(dataset, options.batch_size, workers):
            reader.add(batch)
    check_any_decoded(dataset, len(reader.pairs))
    return reader.result(dataset.skipped), reader


def evaluate_sets(
    trained: Trained,
    sets: Mapping[str, Path | WordSource] | None = None,
    look: Callable[[str, WordDataset, Reader], None] | None = None,
    batch_key: str = "evaluation.batch_size",
) -> dict[str, SetFigures]:
    """Evaluate sets as the net's recipe says, by default its test sets; several get a row "all" of all words.

    Sets that share words, such as one whole and filtered, get none: it would count these twice. ``look`` is
    called with each set and all that was read of it; ``batch_key`` is as of `evaluate`.
    """
    rows: dict[str, SetFigures] = {}
    folders: list[Path] = []
    pairs: list[tuple[str, str]] = []
    losses: list[float] = []
    skipped: dict[str, int] = {}
    asked = trained.recipe.data.test if sets is None else sets
    for folder in asked.values():  # a missing one is told before the others are read
        for found in find_sets(folder if isinstance(folder, Path) else folder.set):
            LmdbReader(found).close()
    for name, folder in asked.items():
        with closing(open_test_set(trained.recipe, folder)) as dataset:
            evaluation, reader = evaluate(trained, dataset, batch_key)
            folders += dataset.folders
            if look is not None:
                look(name, dataset, reader)
        rows[name] = evaluation.to_dict()
        pairs += reader.pairs
        losses += reader.losses
        for cause, count in evaluation.skipped.items():
            skipped[cause] = skipped.get(cause, 0) + count
    if len(rows) > 1 and len(set(folders)) == len(folders):
        scores = score(pairs, Charset.named(trained.recipe.data.charset))
        rows[POOLED] = Evaluation(scores, fsum(losses) / max(1, len(pairs)), skipped).to_dict()
    return rows


def test_scores(trained: Trained) -> dict[str, SetFigures]:
    """The test sets of a net's recipe, then each of other targets, which is no part of the row "all"."""
    rows = evaluate_sets(trained)
    for name, source in trained.recipe.data.elsewhere.items():
        rows |= evaluate_sets(trained, {name: source})
    return rows
