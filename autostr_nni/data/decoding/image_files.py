"""The pictures of a folder, and which of its files are none. Light: no torch."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from autostr_nni.data.decoding.images import open_image, read_image
from autostr_nni.system.errors import InputError

#: Files that are meant to be pictures: one of these that cannot be decoded is a fault.
_MEANT = """.apng .avif .bmp .dib .gif .j2c .j2k .jfif .jp2 .jpe .jpeg .jpf .jpg .jpx .pbm .pgm .png .pnm .ppm
    .tga .tif .tiff .webp"""
SUFFIXES = frozenset(_MEANT.split())
_BESIDE = "._"  # files that a Mac lays beside others on foreign disks, with the same suffix
_EXAMPLES = 3


Tell = Callable[[str], None]  # is given a sentence on what was left out


def tell_nobody(sentence: str) -> None:
    """Say nothing."""


@dataclass
class FoundImages:
    """What a search for pictures came upon."""

    files: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  #: a sentence for each folder that held other files too

    def add(self, files: list[Path]) -> None:
        """Take in files, each once."""
        self.files = list(dict.fromkeys([*self.files, *files]))


def find_images(names: Iterable[str]) -> FoundImages:
    """The files named, and those that the patterns and the pictures that the folders named hold, sorted.

    Raises InputError for what is missing, and for a folder without pictures.
    """
    found = FoundImages()
    for name in names:
        path = Path(name)
        if not name:  # as of a shell's variable that is not set; else it would be the current folder
            raise InputError("an empty name is given where an image or a folder is wanted")
        if not path.exists() and glob.has_magic(name):
            matching = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
            if not matching:
                raise InputError(f"{name}: no file is of this pattern")
            found.add([match for match in matching if not match.is_dir()])
            if "**" not in name:  # that one matches what is in the folders too
                for folder in filter(Path.is_dir, matching):
                    _add_folder(found, folder)
        elif path.is_dir():
            _add_folder(found, path)
        elif path.exists():
            found.files.append(path)  # as often as it is named
        else:
            raise InputError(f"{path}: no such image or folder")
    if not found.files:
        raise InputError(f"{', '.join(names)}: no picture there; {'; '.join(found.left_out)}".rstrip("; "))
    return found


def _add_folder(found: FoundImages, folder: Path) -> None:
    files, others = find_in_folder(folder)
    if not files and not others:
        found.left_out.append(f"{folder}: the folder is empty")
    found.add(files)
    if others:
        found.left_out.append(told(folder, others, "no picture"))


def find_in_folder(root: str | os.PathLike[str], what: str = "folder") -> tuple[list[Path], list[Path]]:
    """All pictures at or under a folder, and all other files, sorted; folders behind links are searched too.

    A file is a picture by its suffix, or because it can be decoded. ``InputError`` if a folder cannot be
    opened.
    """
    files: list[Path] = []
    others: list[Path] = []
    for path in walk_files(root, what):
        meant = path.suffix.lower() in SUFFIXES and not path.name.startswith(_BESIDE)
        (files if meant or _is_image(path) else others).append(path)
    return files, others


def walk_files(root: str | os.PathLike[str], what: str = "folder") -> list[Path]:
    """All files at or under a folder, sorted, those of folders behind links too, but no folder twice.

    ``InputError`` if a folder cannot be opened, which it calls ``what``.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"the {what} {error.filename} cannot be opened ({error.strerror})") from None

    found: list[Path] = []
    seen: set[str] = set()
    for folder, inner, names in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner.sort()
        found += (Path(folder, name) for name in names)
    return sorted(found)


def told(folder: str | os.PathLike[str], left_out: Sequence[Path], what: str) -> str:
    """One sentence on the files of a folder that were left out, since each is ``what``."""
    start = Path(folder).expanduser()
    names = [os.path.relpath(path, start) for path in left_out[:_EXAMPLES]]
    more = ", …" if len(left_out) > _EXAMPLES else ""
    files = "1 file that is" if len(left_out) == 1 else f"{len(left_out)} files that are"
    return f"{folder}: left out {files} {what} ({', '.join(names)}{more})"


def _is_image(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with Image.open(path):  # reads no more than the file's head
            return open_image(read_image(path)) is not None
    except Exception:  # decoders raise nearly anything
        return False
