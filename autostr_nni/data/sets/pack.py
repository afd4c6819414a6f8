"""Makes a set of a list of images and labels."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from autostr_nni.data.decoding.images import UNDECODABLE, open_image, read_image, why_undecodable
from autostr_nni.data.decoding.modes import is_one_colour, to_rgb
from autostr_nni.data.labels import CONTROL, has_control
from autostr_nni.data.sets.folders import new_folder
from autostr_nni.data.sets.lmdb_write import write_samples
from autostr_nni.system.characters import composed
from autostr_nni.system.errors import InputError
from autostr_nni.system.text_files import read_text

_EXAMPLES = 3
_MOST_BYTES = 2 << 30


@dataclass
class PackSummary:
    """What became of a list's lines."""

    folder: str
    packed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  #: lines left out, by cause
    one_colour: list[str] = field(default_factory=list)  #: lines packed whose images show nothing
    examples: dict[str, list[str]] = field(default_factory=dict)  #: the first lines of each cause

    def skip(self, cause: str, line: int, name: str) -> None:
        """Count a line that is left out."""
        self.skipped[cause] += 1
        shown = self.examples.setdefault(cause, [])
        if len(shown) < _EXAMPLES:
            shown.append(f"line {line}: {name}")


def pack(
    list_file: str | os.PathLike[str], folder: str | os.PathLike[str], *, force: bool = False
) -> PackSummary:
    """Pack the images of a list into a new set; image files are kept byte by byte.

    Each line is ``image<TAB>label``; paths are relative to the list's folder, or begin with ``~``; both may
    hold spaces. A line whose image is missing or cannot be decoded, that has no label, or whose label holds a
    tab or another control character is left out and counted; one whose image is of one colour is packed and
    counted. Labels are kept composed (NFC).
    ``InputError`` if the list cannot be read, nothing can be packed, or the folder is taken.
    """
    source = Path(list_file)
    try:
        # Not splitlines: a label may hold any other separator that Unicode knows.
        lines = read_text(source, most=_MOST_BYTES).split("\n")
    except InputError as error:
        raise InputError(f"the list {error}") from None
    summary = PackSummary(str(folder))
    with new_folder(folder, force) as partial:
        summary.packed = write_samples(partial, _samples(lines, source.parent, summary))
        if not summary.packed:
            causes = ", ".join(f"{count} {cause}" for cause, count in summary.skipped.most_common())
            first = next((shown[0] for shown in summary.examples.values()), "it is empty")
            raise InputError(
                f"nothing to pack in {list_file}: {causes or 'no line'} ({first}); a line is the path of an "
                "image, a tab, and its label"
            )
    return summary


def _samples(lines: list[str], base: Path, summary: PackSummary) -> Iterator[tuple[bytes, str]]:
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        name, tab, label = line.partition("\t")
        if not tab:
            summary.skip("no tab", number, name)
        elif not label.strip():
            summary.skip("empty label", number, name)
        elif has_control(label.encode()):
            summary.skip(CONTROL, number, name)
        else:
            data, picture, cause = _read(_place(base, name))
            if data is None or picture is None:
                summary.skip(cause, number, name)
                continue
            if is_one_colour(np.asarray(to_rgb(picture))):
                summary.one_colour.append(f"line {number}: {name}")
            yield data, composed(label)


def _place(base: Path, name: str) -> Path:
    """Where an image of a list lies: ``~`` is a home folder, unless the list's own folder has such a name."""
    path = base / name
    if name.startswith("~") and not path.exists():
        with contextlib.suppress(RuntimeError):  # no such user
            return Path(name).expanduser()
    return path


def _read(path: Path) -> tuple[bytes | None, Image.Image | None, str]:
    """Bytes and picture of a decodable image file, or why there is none."""
    try:
        data = read_image(path)
    except (FileNotFoundError, NotADirectoryError):
        return None, None, "missing image"
    except (OSError, ValueError):
        return None, None, "unreadable image"
    picture = open_image(data)
    cause = "" if picture is not None else why_undecodable(data)
    return data, picture, f"{cause} image" if cause == UNDECODABLE else f"image {cause}"
