"""Word image sets for training and evaluation, as uint8 batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from autostr_nni.data.charset import Charset
from autostr_nni.data.decoding.images import STRETCHED, Fitting, decode_image
from autostr_nni.data.labels import label_cause
from autostr_nni.data.mixing import Mix
from autostr_nni.data.scan import scan
from autostr_nni.data.sets.folders import find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader, beyond_text
from autostr_nni.data.targets import Targets
from autostr_nni.recipe.words.sources import FilterName, WordSource, sources_of
from autostr_nni.system.errors import InputError

Sample = tuple[torch.Tensor, list[int], str]
Indices = Sequence[int] | np.ndarray
Root = str | os.PathLike[str] | WordSource


class Batch(NamedTuple):
    """Words as tensors: B words, T characters at most, counting the end of the word."""

    images: torch.Tensor  #: uint8 [B, 3, height, width], RGB, channels last in memory
    targets: torch.Tensor  #: int64 [B, T], the end of the word included, then ``targets.PADDING``
    lengths: torch.Tensor  #: int64 [B], characters and the end of the word
    texts: list[str]  #: labels as they are in the set: what a reading is compared with
    dropped: int  #: samples that could not be decoded


class Filled(NamedTuple):
    """What became of a batch besides its images: next to nothing to send from one process to another."""

    dropped: list[int]  #: places in the batch of the samples that could not be decoded
    changed: dict[int, bytes]  #: labels by their places, where a set is no longer what it was on creation


class WordDataset(Dataset["Sample | None"]):
    """Words of all sets at or under ``folders``, which may have weights.

    Labels are read once, on creation, and kept while the set is not changed (10 bytes a word and its text:
    170 MB for 10 million words of 7 letters). Those that cannot be used are left out and counted by cause
    in ``skipped`` (`labels.label_cause`, by ``steps`` for CTC, and "missing"); ``trimmed`` counts the labels
    that lost characters outside the charset, ``folded`` those read in the charset's case, ``beyond`` the
    samples that ``num-samples`` does not reach. ``limit`` keeps that many words, drawn by ``seed``. Folders
    with weights have a ``mix``, by which epochs are drawn; with ``once`` as many words are kept as the shares
    allow, drawn by the seed too, for a set that is read from end to end.

    An item is (uint8 image [3, height, width], class numbers with the end, label as it is in the set), or
    None where the image cannot be decoded: no other sample ever takes its place.
    """

    def __init__(
        self,
        folders: Root | Iterable[Root],
        charset: Charset,
        max_length: int,
        image: tuple[int, int] = (32, 100),
        limit: int | None = None,
        seed: int = 0,
        once: bool = False,
        fitting: Fitting = STRETCHED,
        steps: int | None = None,
    ) -> None:
        sources = sources_of([folders] if isinstance(folders, str | os.PathLike | WordSource) else folders)
        self.charset, self.max_length, self.seed, self.steps = charset, max_length, seed, steps
        self.image, self.fitting = (image[0], image[1]), fitting
        self.folders, self._source = _all_sets(sources)
        self._filters = [sources[owner].filter for owner in self._source]
        self.readers = [LmdbReader(folder) for folder in self.folders]
        self.total = sum(map(len, self.readers))
        self.beyond = sum(reader.beyond() for reader in self.readers)
        self._versions = [reader.version() for reader in self.readers]
        self._targets = Targets(charset)
        found = scan(self.readers, self._filters, charset, max_length, steps)
        self.skipped, self.trimmed, self.folded = found.skipped, found.trimmed, found.folded
        self._labels, self._set, self._sample = found.labels, found.sets, found.samples
        if not len(self):
            causes = ", ".join(f"{count} {cause}" for cause, count in self.skipped.most_common())
            raise InputError(f"no usable word in {self.named()}: {causes}; check charset and max_length")
        self.mix = self._mix(sources)
        self.unshared = self.limited = 0  # words left out to keep the shares, and for the limit
        if limit is not None and limit < 1:
            raise InputError(f"a limit of {limit} words leaves nothing of {self.named()}: give 1 or more")
        kept = None
        if self.mix is not None and once:
            kept, whole = self.mix.once(limit, seed), len(self.mix.once(None, seed))
            self.unshared, self.limited, self.mix = len(self) - whole, whole - len(kept), None
        elif limit is not None and limit < len(self):
            kept = np.sort(np.random.default_rng([seed, 1]).permutation(len(self))[:limit])
            self.limited = len(self) - limit
        if kept is not None:
            self._set, self._sample = self._set[kept], self._sample[kept]
        self._labels.finish(kept)

    def close(self) -> None:
        """Let go of the sets that are open in this process; what is read next opens them again."""
        for reader in self.readers:
            reader.close()

    def __len__(self) -> int:
        return len(self._sample)

    def __getitem__(self, index: int) -> Sample | None:
        label = self.label(index)
        text = self.charset.clean(label)[0]
        data = self.readers[self._set[index]].image(int(self._sample[index]))
        pixels = None if data is None else decode_image(data, self.image, None, self.fitting)
        if pixels is None or not text:
            return None
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return image, self.charset.encode(text), label

    def batch(self, indices: Sequence[int]) -> Batch:
        """The words of ``indices`` that can be decoded, in that order."""
        pixels = np.empty((len(indices), *self.image, 3), np.uint8)
        filled = self.fill(pixels, indices)
        return self.assemble(torch.from_numpy(pixels), indices, filled)

    def fill(self, pixels: np.ndarray, indices: Indices) -> Filled:
        """Write the images of a batch straight into ``pixels`` (uint8 [at least B, height, width, 3])."""
        encoded, changed = self._read(np.asarray(indices, np.int64))
        dropped = []
        for place, data in enumerate(encoded):
            if data is None or decode_image(data, self.image, pixels[place], self.fitting) is None:
                dropped.append(place)
        if dropped:
            left = np.delete(np.arange(len(encoded)), dropped)
            pixels[: len(left)] = pixels[left]
        return Filled(dropped, changed)

    def assemble(self, pixels: torch.Tensor, indices: Indices, filled: Filled) -> Batch:
        """The batch of ``indices`` whose images ``fill`` wrote into ``pixels``, of which it is a view."""
        labels = self._labels.of(np.asarray(indices, np.int64))
        for place, label in filled.changed.items():
            labels[place] = label
        for place in reversed(filled.dropped):
            del labels[place]
        targets, lengths = self._targets.of(labels)
        images = pixels[: len(labels)].permute(0, 3, 1, 2)
        return Batch(images, targets, lengths, _decoded(labels), len(filled.dropped))

    def _read(self, chosen: np.ndarray) -> tuple[list[bytes | None], dict[int, bytes]]:
        """Encoded images, and labels by place where a set was changed; one transaction for each set."""
        samples = self._sample[chosen]
        changed: dict[int, bytes] = {}
        if len(self.readers) == 1:
            images = self.readers[0].images(samples.tolist(), self._versions[0])
            if images is not None:
                return images, changed
        found: list[bytes | None] = [None] * len(chosen)
        sets = self._set[chosen]
        for number in set(sets.tolist()):
            (places,) = np.nonzero(sets == number)
            images = self.readers[number].images(samples[places].tolist(), self._versions[number])
            if images is None:
                pairs = self.readers[number].samples(samples[places].tolist())
                only = self._filters[number]
                images = [
                    data if label and self._usable_still(label, only) else None for data, label in pairs
                ]
                changed |= {
                    place: label or b"" for place, (_, label) in zip(places.tolist(), pairs, strict=True)
                }
            for place, image in zip(places.tolist(), images, strict=True):
                found[place] = image
        return found, changed

    def _usable_still(self, label: bytes, only: FilterName | None) -> bool:
        """Whether a label that was written after the set was scanned can be used."""
        return not label_cause(label, self.charset, self.max_length, only, self.steps)[0]

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
        if self.folded:
            parts.append(f"{self.folded} read in {self.charset.case} case")
        if self.beyond:
            parts.append(beyond_text(self.beyond, self.total))
        if self.unshared:
            parts.append(f"{self.unshared} left out to keep the shares")
        if self.limited:
            parts.append(f"{self.limited} more than the limit")
        return "; ".join(parts)

    def named(self) -> str:
        """The folders of the sets, the first three by name."""
        names = [str(folder) for folder in self.folders]
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    def _mix(self, sources: Sequence[WordSource]) -> Mix | None:
        """The shares of the sources; None where they have no weights."""
        weights = [source.weight for source in sources if source.weight is not None]
        if not weights:
            return None
        sizes = np.bincount(self._source[self._set], minlength=len(sources)).tolist()
        if 0 in sizes:
            empty = sources[sizes.index(0)]
            raise InputError(
                f"no usable word in {empty.set}, which has a weight of {empty.weight:g}; check charset and "
                "max_length"
            )
        return Mix(tuple(str(source.set) for source in sources), tuple(sizes), tuple(weights))


def _decoded(labels: list[bytes]) -> list[str]:
    """The labels as texts, all at once: none has a line's end."""
    return b"\n".join(labels).decode().split("\n") if labels else []


def _all_sets(sources: Sequence[WordSource]) -> tuple[list[Path], np.ndarray]:
    """The sets of all sources, and the number of each set's source."""
    if not sources:
        raise InputError("no folder of words is given: name at least one word image set")
    found: list[Path] = []
    owners: list[int] = []
    for number, source in enumerate(sources):
        for folder in find_sets(source.set):
            folder = folder.resolve()
            if folder in found:
                raise InputError(f"the set {folder} is listed twice: name it once")
            found.append(folder)
            owners.append(number)
    return found, np.array(owners)
