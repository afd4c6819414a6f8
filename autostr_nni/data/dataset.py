"""Word image sets for training and evaluation, as uint8 batches."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from autostr_nni.data.charset import Charset
from autostr_nni.data.images import decode_image
from autostr_nni.data.labels import label_cause
from autostr_nni.data.lmdb_io import LmdbReader, find_sets
from autostr_nni.search_spaces.errors import InputError

#: Target value of the places after a word's end; cross-entropy ignores it.
PADDING = -100

Sample = tuple[torch.Tensor, list[int], str]


class Batch(NamedTuple):
    """Words as tensors: B words, T characters at most, counting the end of the word."""

    images: torch.Tensor  #: uint8 [B, 3, height, width], RGB, channels last in memory
    targets: torch.Tensor  #: int64 [B, T], the end of the word included, then ``PADDING``
    lengths: torch.Tensor  #: int64 [B], characters and the end of the word
    texts: list[str]  #: labels as they are in the set: what a reading is compared with
    dropped: int  #: samples that could not be decoded


class Filled(NamedTuple):
    """All of a batch but its images: little to send from one process to another."""

    ids: list[Sequence[int]]  #: class numbers of each word with the end, in bytes where they fit
    labels: list[bytes]  #: labels as they are in the set, UTF-8
    dropped: int  #: samples that could not be decoded


class WordDataset(Dataset["Sample | None"]):
    """Words of all sets at or under ``folders``.

    Labels are read once, on creation: those that cannot be used are left out and counted by cause in
    ``skipped`` ("missing", "label not UTF-8", "empty label", "no known character", "too long");
    ``trimmed`` counts the labels that lost characters outside the charset. ``limit`` keeps that many words,
    drawn by ``seed``. An item is (uint8 image [3, height, width], class numbers with the end, label as it is
    in the set), or None where the image cannot be decoded: no other sample ever takes its place.
    """

    def __init__(
        self,
        folders: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        charset: Charset,
        max_length: int,
        image: tuple[int, int] = (32, 100),
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        roots = [folders] if isinstance(folders, (str, os.PathLike)) else list(folders)
        self.charset, self.max_length, self.seed = charset, max_length, seed
        self.image = (image[0], image[1])
        self.skipped: Counter[str] = Counter()
        self.trimmed = 0
        self.folders = _all_sets(roots)
        self.readers = [LmdbReader(folder) for folder in self.folders]
        self.total = sum(map(len, self.readers))
        self._set, self._sample = self._scan()
        if limit is not None and limit < len(self):
            if limit < 1:
                raise InputError(f"a limit of {limit} words leaves nothing of {self.named()}: give 1 or more")
            kept = np.sort(np.random.default_rng([seed, 1]).permutation(len(self))[:limit])
            self._set, self._sample = self._set[kept], self._sample[kept]

    def __len__(self) -> int:
        return len(self._sample)

    def __getitem__(self, index: int) -> Sample | None:
        label = self.label(index)
        text = self.charset.clean(label)[0]
        data = self.readers[self._set[index]].image(int(self._sample[index]))
        pixels = None if data is None else decode_image(data, self.image)
        if pixels is None or not text:
            return None
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return image, self.charset.encode(text), label

    def batch(self, indices: Sequence[int]) -> Batch:
        """The words of ``indices`` that can be decoded, in that order."""
        pixels = np.empty((len(indices), *self.image, 3), np.uint8)
        filled = self.fill(pixels, indices)
        return assemble(torch.from_numpy(pixels), filled)

    def fill(self, pixels: np.ndarray, indices: Sequence[int]) -> Filled:
        """Write the images of a batch straight into ``pixels`` (uint8 [at least B, height, width, 3])."""
        ids: list[Sequence[int]] = []
        labels: list[bytes] = []
        for data, label in self._read(indices):
            if data is None or label is None or not (numbers := self._encode(label)):
                continue
            if decode_image(data, self.image, pixels[len(ids)]) is not None:
                ids.append(numbers)
                labels.append(label)
        return Filled(ids, labels, len(indices) - len(ids))

    def _read(self, indices: Sequence[int]) -> Iterable[tuple[bytes | None, bytes | None]]:
        """Encoded images and labels, one transaction for each set."""
        chosen = np.asarray(indices, dtype=np.int64)
        sets, samples = self._set[chosen], self._sample[chosen]
        if len(self.readers) == 1:
            return self.readers[0].samples(samples.tolist())
        found: list[tuple[bytes | None, bytes | None]] = [(None, None)] * len(chosen)
        for number in set(sets.tolist()):
            (places,) = np.nonzero(sets == number)
            part = self.readers[number].samples(samples[places].tolist())
            for place, sample in zip(places.tolist(), part, strict=True):
                found[place] = sample
        return found

    def _encode(self, label: bytes) -> Sequence[int]:
        """Class numbers of a label; none where it cannot be used any more, as the set was changed since."""
        try:
            ids = self.charset.encode_label(label)
        except UnicodeDecodeError:
            return b""
        return ids if 1 < len(ids) <= self.max_length + 1 else b""

    def label(self, index: int) -> str:
        """Label of a word as it is in the set."""
        return self.readers[self._set[index]].label(int(self._sample[index])) or ""

    def encoded(self, index: int) -> bytes | None:
        """The image file of a word, as the set holds it."""
        data: bytes | None = self.readers[self._set[index]].image(int(self._sample[index]))
        return data

    def text(self, index: int) -> str:
        """Clean text of a word: what the recognizer is taught to read."""
        return self.charset.clean(self.label(index))[0]

    def report(self) -> str:
        """One line: how many words are used and what was left out, by cause."""
        parts = [f"{len(self)} of {self.total} words of {self.named()}"]
        parts += [f"{count} {cause}" for cause, count in self.skipped.most_common()]
        if self.trimmed:
            parts.append(f"{self.trimmed} trimmed to the charset")
        return "; ".join(parts)

    def named(self) -> str:
        """The folders of the sets, the first three by name."""
        names = [str(folder) for folder in self.folders]
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    def _scan(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of set and sample of every usable word."""
        sets, samples = [], []
        for number, reader in enumerate(self.readers):
            found = 0
            usable = []
            for sample, raw in reader.labels():
                found += 1
                if self._usable(raw):
                    usable.append(sample)
            self.skipped["missing"] += len(reader) - found
            samples.append(np.array(usable, dtype=np.int32))
            sets.append(np.full(len(usable), number, dtype=np.int16))
            reader.close()  # each worker opens its own
        self.skipped = +self.skipped
        if not any(map(len, samples)):
            causes = ", ".join(f"{count} {cause}" for cause, count in self.skipped.most_common())
            raise InputError(f"no usable word in {self.named()}: {causes}; check charset and max_length")
        return np.concatenate(sets), np.concatenate(samples)

    def _usable(self, raw: bytes) -> bool:
        cause, removed = label_cause(raw, self.charset, self.max_length)
        if cause:
            self.skipped[cause] += 1
        elif removed:
            self.trimmed += 1
        return not cause


def assemble(pixels: torch.Tensor, filled: Filled) -> Batch:
    """The batch of ``filled`` whose images lie in ``pixels``, of which it is a view."""
    lengths = np.fromiter(map(len, filled.ids), np.int64, len(filled.ids))
    targets = np.full((len(lengths), int(lengths.max(initial=0))), PADDING, np.int64)
    inside = np.arange(targets.shape[1]) < lengths[:, None]
    targets[inside] = np.fromiter(chain.from_iterable(filled.ids), np.int64, int(lengths.sum()))
    images = pixels[: len(lengths)].permute(0, 3, 1, 2)
    texts = [label.decode() for label in filled.labels]
    return Batch(images, torch.from_numpy(targets), torch.from_numpy(lengths), texts, filled.dropped)


def _all_sets(roots: Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not roots:
        raise InputError("no folder of words is given: name at least one word image set")
    found: list[Path] = []
    for root in roots:
        for folder in find_sets(root):
            folder = folder.resolve()
            if folder in found:
                raise InputError(f"the set {folder} is listed twice: name it once")
            found.append(folder)
    return found
