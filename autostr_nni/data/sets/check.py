"""Tells what a set holds and which of its samples cannot be used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autostr_nni.data.charset import Charset
from autostr_nni.data.decoding.images import open_image, why_undecodable
from autostr_nni.data.decoding.modes import is_one_colour, to_rgb
from autostr_nni.data.labels import MOST_BYTES, label_cause
from autostr_nni.data.sets.lmdb_io import LmdbReader, beyond_text
from autostr_nni.recipe.words.sources import FilterName
from autostr_nni.system.characters import composed

_SHARES = (0, 25, 50, 75, 100)


@dataclass
class SetReport:
    """Counts over one set."""

    folder: str
    samples: int = 0  #: that the set promises
    beyond: int = 0  #: more of them in the set, which its num-samples does not reach
    usable: int = 0
    one_colour: int = 0  #: images without anything to be seen on them; they are used all the same
    trimmed: int = 0  #: usable labels that hold characters outside the charset
    folded: int = 0  #: usable labels with letters that are read in the charset's case
    case: str | None = None  #: that case
    skipped: Counter[str] = field(default_factory=Counter)  #: samples that cannot be used, by cause
    lengths: Counter[int] = field(default_factory=Counter)  #: of usable labels
    characters: Counter[str] = field(default_factory=Counter)  #: of all labels
    unknown: Counter[str] = field(default_factory=Counter)  #: those that the charset lacks
    formats: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(
        default_factory=list
    )  #: (width, height) of decodable images, upright
    first_of_one_colour: int = 0  #: number of a sample, from 1; 0 where there is none

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "folder": self.folder,
            "samples": self.samples,
            "beyond": self.beyond,
            "usable": self.usable,
            "trimmed": self.trimmed,
            "folded": self.folded,
            "one_colour": self.one_colour,
            "skipped": dict(self.skipped.most_common()),
            "lengths": {str(length): count for length, count in sorted(self.lengths.items())},
            "characters": dict(sorted(self.characters.items())),
            "unknown_characters": dict(self.unknown.most_common()),
            "formats": dict(self.formats.most_common()),
            "width": _spread([width for width, _ in self.sizes]),
            "height": _spread([height for _, height in self.sizes]),
            "aspect": _spread([round(width / height, 2) for width, height in self.sizes]),
        }

    def to_text(self) -> str:
        """A few lines to read."""
        values = self.to_dict()
        lines = [f"{self.folder}: {self.usable} of {self.samples} samples usable"]
        if self.beyond:
            lines.append("  " + beyond_text(self.beyond, self.samples))
        if self.skipped:
            lines.append(
                "  left out: " + ", ".join(f"{n} {cause}" for cause, n in self.skipped.most_common())
            )
        if self.one_colour:
            lines.append(
                f"  of one colour, so that no letter is to be seen: {self.one_colour}, the first is number "
                f"{self.first_of_one_colour}"
            )
        if self.trimmed:
            shown = " ".join(f"{c!r}×{n}" for c, n in self.unknown.most_common(10))
            lines.append(f"  trimmed to the charset: {self.trimmed} (unknown characters: {shown})")
        if self.folded:
            lines.append(f"  read in {self.case} case, as the charset's letters are: {self.folded}")
        if self.lengths:
            mean = sum(k * n for k, n in self.lengths.items()) / self.usable
            lines.append(f"  lengths: {min(self.lengths)} to {max(self.lengths)}, mean {mean:.1f}")
            kinds = len(self.characters)
            common = "".join(c for c, _ in self.characters.most_common(20) if c.isprintable())
            lines.append(f"  characters: {kinds} different, most often {common}")
        if self.sizes:
            for name in ("width", "height", "aspect"):
                spread = values[name]
                lines.append(f"  {name}: {spread['min']} to {spread['max']}, median {spread['median']}")
            lines.append("  formats: " + ", ".join(f"{n} {name}" for name, n in self.formats.most_common()))
        return "\n".join(lines)


def check_set(
    folder: str | os.PathLike[str],
    charset: Charset,
    max_length: int,
    *,
    images: bool = True,
    only: FilterName | None = None,
    steps: int | None = None,
) -> SetReport:
    """Look at every sample of a set; without ``images`` at its labels alone. ``only`` is the set's filter,
    ``steps`` are those of CTC, where the words are for it.

    ``InputError`` if the set cannot be opened or is damaged.
    """
    with LmdbReader(folder) as reader:
        report = SetReport(str(folder), samples=len(reader), beyond=reader.beyond(), case=charset.case)
        seen = 0
        for number, raw in reader.labels():
            seen += 1
            _look(report, reader, number, raw, charset, max_length, images, only, steps)
        report.skipped["missing"] += report.samples - seen
        report.skipped = +report.skipped
    return report


def _look(
    report: SetReport,
    reader: LmdbReader,
    number: int,
    raw: bytes,
    charset: Charset,
    max_length: int,
    images: bool,
    only: FilterName | None,
    steps: int | None,
) -> None:
    """Count one sample; its label's fault comes before its image's."""
    cause, removed = label_cause(raw, charset, max_length, only, steps)
    text = composed(raw[:MOST_BYTES].decode(errors="replace"))
    report.characters.update(text)
    if removed:
        report.unknown.update(c for c in text if charset.clean(c)[1])
    if images:
        data = reader.image(number) or b""
        picture = open_image(data)
        if picture is not None:
            report.formats[picture.format or "unknown"] += 1
            report.sizes.append(picture.size)
            if is_one_colour(np.asarray(to_rgb(picture))):
                report.first_of_one_colour = report.first_of_one_colour or number
                report.one_colour += 1
        cause = cause or ("" if picture is not None else why_undecodable(data))
    if cause:
        report.skipped[cause] += 1
        return
    report.usable += 1
    report.trimmed += bool(removed)
    report.folded += charset.folds(raw)
    report.lengths[len(charset.clean(text)[0])] += 1


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Least, quarter, median, three quarter and largest value."""
    if not values:
        return None
    ordered = sorted(values)
    names = ("min", "quarter", "median", "three_quarters", "max")
    last = len(ordered) - 1
    return {name: ordered[last * share // 100] for name, share in zip(names, _SHARES, strict=True)}
