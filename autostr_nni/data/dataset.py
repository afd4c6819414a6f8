"""Word image sets for training and evaluation, as uint8 batches."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from autostr_nni.data.charset import Charset
from autostr_nni.data.images import decode_image
from autostr_nni.data.labels import label_cause
from autostr_nni.data.lmdb_io import LmdbReader, find_sets
from autostr_nni.search_spaces.errors import InputError

#: Target value of the places after a word's end; cross-entropy ignores it.
PADDING = -100

Sample = tuple[torch.Tensor, list[int], str]


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


class Batch(NamedTuple):
    """Words as tensors: B words, T characters at most, counting the end of the word."""

    images: torch.Tensor  #: uint8 [B, 3, height, width], RGB
    targets: torch.Tensor  #: int64 [B, T], the end of the word included, then ``PADDING``
    lengths: torch.Tensor  #: int64 [B], characters and the end of the word
    texts: list[str]  #: labels as they are in the set: what a reading is compared with
    dropped: int  #: samples that could not be decoded


def collate(samples: Sequence[Sample | None], image: tuple[int, int] = (0, 0)) -> Batch:
    """Stack the samples that could be decoded; ``image`` gives the size where none could."""
    good = [sample for sample in samples if sample is not None]
    dropped = len(samples) - len(good)
    if not good:
        empty = torch.empty(0, dtype=torch.int64)
        return Batch(torch.empty(0, 3, *image, dtype=torch.uint8), empty.view(0, 0), empty, [], dropped)
    lengths = torch.tensor([len(ids) for _, ids, _ in good])
    targets = torch.full((len(good), int(lengths.max())), PADDING, dtype=torch.int64)
    for row, (_, ids, _) in zip(targets, good, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    images = torch.stack([pixels for pixels, _, _ in good])
    return Batch(images, targets, lengths, [text for _, _, text in good], dropped)


class EpochSampler(Sampler[int]):
    """Epochs of ``epoch_images`` samples, cut from an endless chain of seeded permutations of a set.

    What epoch e draws depends on (seed, e) alone, so a run that is continued sees the same words. Every
    sample comes once before any comes twice, whatever the length of an epoch. None is the whole set.
    """

    def __init__(self, length: int, epoch_images: int | None = None, seed: int = 0, epoch: int = 0) -> None:
        if length < 1 or (epoch_images is not None and epoch_images < 1):
            raise InputError("an epoch needs at least one image of at least one word")
        self.length, self.epoch_images, self.seed = length, epoch_images or length, seed
        self.set_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.epoch_images

    def __iter__(self) -> Iterator[int]:
        position = self.epoch * self.epoch_images
        end = position + self.epoch_images
        while position < end:
            turn, start = divmod(position, self.length)
            order = np.random.default_rng([self.seed, turn]).permutation(self.length)
            part = order[start : start + end - position]
            yield from part.tolist()
            position += len(part)


def make_loader(
    dataset: WordDataset,
    batch_size: int = 1,
    workers: int = 0,
    sampler: Sampler[int] | None = None,
    drop_last: bool = False,
    batches: Sampler[list[int]] | None = None,
) -> DataLoader[Batch]:
    """Batches of a set, in the sampler's order or, without one, in the set's own.

    ``batches`` gives the indices of every batch, in place of size, order and end. Workers live as long as the
    loader. The global random state is neither read nor moved.
    """
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # collate turns its samples into batches
        batch_size=batch_size,
        sampler=sampler,
        batch_sampler=batches,
        shuffle=False,
        drop_last=drop_last,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        collate_fn=partial(collate, image=dataset.image),
        worker_init_fn=_start_worker,
        generator=torch.Generator().manual_seed(dataset.seed),
        pin_memory=torch.cuda.is_available(),
    )


def _start_worker(_: int) -> None:
    """Seed what a worker may draw from, differently in each, and keep it to one thread."""
    info = get_worker_info()
    assert info is not None
    random.seed(info.seed)
    np.random.seed(info.seed % 2**32)
    torch.set_num_threads(1)
