"""Sets that are drawn from in given shares. Light: no torch.

Words are numbered set after set. An epoch's words depend on the seed and the epoch's number alone: not on the
processes that load or train, nor on where a training was stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autostr_nni.recipe.words.sources import shares
from autostr_nni.system.errors import InputError


def chain(length: int, start: int, count: int, seed: int, *place: int) -> np.ndarray:
    """``count`` of an endless chain of seeded permutations of ``range(length)``, from ``start`` on.

    Every number comes once before any comes twice. ``place`` tells chains of one seed apart.
    """
    found = [np.zeros(0, np.int64)]
    while count > 0:
        turn, first = divmod(start, length)
        order = np.random.default_rng([seed, turn, *place]).permutation(length)
        found.append(order[first : first + count])
        start, count = start + len(found[-1]), count - len(found[-1])
    return np.concatenate(found)


@dataclass(frozen=True)
class Mix:
    """Sets with their ``weights`` and how many usable words each has; all have one word and some weight."""

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    weights: tuple[float, ...]

    def counts(self, images: int) -> list[int]:
        """How many of so many images each set gives. Raises InputError where that is none."""
        found = shares(self.weights, images)
        if 0 in found:
            place = found.index(0)
            raise InputError(
                f"{self.names[place]}: a weight of {self.weights[place]:g} is not one image of {images}: "
                "write a larger weight, or give the others more words or the epoch more images"
            )
        return found

    def draw(self, images: int, seed: int, epoch: int) -> Iterator[int]:
        """The words of an epoch: of each set its exact share, in one order of the seed.

        Each set has a chain of its own, so all its words come once before any comes twice.
        """
        order = np.concatenate(
            [
                first + chain(size, epoch * count, count, seed, place)
                for place, (first, size, count) in enumerate(
                    zip(self._firsts(), self.sizes, self.counts(images), strict=True), 1
                )
            ]
        )
        np.random.default_rng([seed, epoch, 0, 1]).shuffle(order)
        yield from order.tolist()

    def once(self, limit: int | None, seed: int) -> np.ndarray:
        """As many words as can be read in these shares without one coming twice, up to ``limit``; sorted."""
        total = sum(self.weights)
        most = min(int(size * total / weight) for size, weight in zip(self.sizes, self.weights, strict=True))
        most = min([most + len(self.sizes), *([] if limit is None else [limit])])
        while any(a > b for a, b in zip(shares(self.weights, most), self.sizes, strict=True)):
            most -= 1
        found = [
            first + np.random.default_rng([seed, 1, place, 1]).permutation(size)[:count]
            for place, (first, size, count) in enumerate(
                zip(self._firsts(), self.sizes, self.counts(most), strict=True), 1
            )
        ]
        return np.sort(np.concatenate(found))

    def told(self, images: int) -> str:
        """``10,000 images: 5,000 of a (8,000 words, each 0.6 times), …``."""
        parts = [
            f"{count:,} of {name} ({size:,} words, each {count / size:.2g} times)"
            for name, size, count in zip(self.names, self.sizes, self.counts(images), strict=True)
        ]
        return f"{images:,} images: {', '.join(parts)}"

    def _firsts(self) -> list[int]:
        return [sum(self.sizes[:place]) for place in range(len(self.sizes))]
