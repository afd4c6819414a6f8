"""Faces to render words with: those of the system, of matplotlib and of installed packages."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sysconfig
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import PIL
from PIL import ImageFont

from autostr_nni.data.decoding.image_files import Tell, tell_nobody, told, walk_files
from autostr_nni.data.synth.glyphs import VERSION, check_file, matplotlib_fonts
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import NoSpace, write_atomic

SYSTEM_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
)
_SUFFIXES = {".ttf", ".otf", ".ttc"}
OWN_SUFFIXES = _SUFFIXES | {".otc", ".woff", ".woff2", ".pfa", ".pfb"}  # what FreeType opens besides


@dataclass(frozen=True, eq=False)  # compared by identity: faces are keys of caches
class Face:
    """A font file that draws all digits and letters, or some of the other characters that are asked for."""

    path: str
    index: int
    family: str
    characters: frozenset[str]
    capitals_only: bool  #: small letters are drawn as capitals
    weight: float = 1.0  #: how often to use it: members of a large family less


@lru_cache(maxsize=3000)
def sized(path: str, index: int, size: int) -> ImageFont.FreeTypeFont:
    """A face opened at a size in pixels."""
    return ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.BASIC)


def find_faces(
    folders: Iterable[str | os.PathLike[str]] = (),
    system: bool = True,
    tell: Tell = tell_nobody,
    wanted: str = "",
) -> list[Face]:
    """All usable faces of the system, of matplotlib, of installed ``font-*`` packages and of ``folders``.

    Without ``system`` those of ``folders`` alone or, where none is named, matplotlib's, which are the same on
    every machine. Beyond ASCII, faces are asked for the ``wanted`` characters alone. ``tell`` is given what
    was left out of ``folders``.
    Sorted by name and content, without duplicates. ``InputError`` if a folder lacks fonts or none is usable.
    Verdicts on files are remembered in the user's cache folder: looking at every glyph takes a while.
    """
    folders = list(folders)
    roots = _system_folders() if system else [] if folders else [matplotlib_fonts()]
    paths = [path for root in roots for path in _font_files(root)]
    named = {folder: walk_files(Path(folder).expanduser(), "folder of fonts") for folder in folders}
    for folder, inside in named.items():
        own = [path for path in inside if path.suffix.lower() in OWN_SUFFIXES]
        if not own:
            raise InputError(
                f"no font ({', '.join(sorted(OWN_SUFFIXES))}) in {folder}: name a folder of fonts"
            )
        paths += own
    extra = "".join(sorted(c for c in set(wanted) if not c.isascii()))
    files = _checked(paths, extra)
    for folder, inside in named.items():
        others = [path for path in inside if not files.get(str(path), {}).get("faces")]
        if others:
            what = "all digits and letters" + (", or any of the other characters" if extra else "")
            tell(told(folder, others, f"no font that draws {what}"))
    entries = {entry["digest"]: (path, entry["faces"]) for path, entry in files.items()}
    ordered = sorted(entries.items(), key=lambda item: (os.path.basename(item[1][0]), item[0]))
    found = [(path, face) for _, (path, faces) in ordered for face in faces]
    if not found:
        raise InputError(
            "no usable font found: install fonts (for instance fonts-liberation) or give --fonts"
        )
    sizes = Counter(face["family"] for _, face in found)
    return [
        Face(
            path,
            face["index"],
            face["family"],
            frozenset(face["characters"]),
            face["capitals_only"],
            1 / math.sqrt(sizes[face["family"]]),
        )
        for path, face in found
    ]


def _system_folders() -> list[Path]:
    packages = Path(sysconfig.get_paths()["purelib"]).glob("font_*")
    places = [Path(place).expanduser() for place in SYSTEM_FOLDERS]
    return [*places, matplotlib_fonts(), *sorted(packages)]


def _font_files(root: Path) -> list[Path]:
    """Font files under a folder, in a fixed order."""
    found = []
    for folder, inner, names in os.walk(root):
        inner.sort()
        found += [Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in _SUFFIXES]
    return found


def _checked(paths: Iterable[Path], extra: str) -> dict[str, dict[str, Any]]:
    """Digest and usable faces of each file that can be read."""
    known = _recall(extra)
    files, fresh = {}, False
    for path in paths:
        try:
            stat = path.stat()
            entry = known.get(str(path))
            stamp = [stat.st_size, stat.st_mtime_ns]
            if entry is None or entry["stamp"] != stamp:
                digest = hashlib.sha1(path.read_bytes()).hexdigest()
                entry = {"stamp": stamp, "digest": digest, "faces": check_file(str(path), extra)}
                fresh = True
        except OSError:
            continue
        files[str(path)] = entry
    if fresh:
        _remember({**known, **files}, extra)
    return files


def _memory(extra: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    asked = f"-{hashlib.sha1(extra.encode()).hexdigest()[:12]}" if extra else ""
    return Path(base) / "autostr" / f"faces-{VERSION}-pillow-{PIL.__version__}{asked}.json"


def _recall(extra: str) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(_memory(extra).read_text(encoding="utf-8"))
        return {path: entry for path, entry in known.items() if {"stamp", "digest", "faces"} <= set(entry)}
    except (OSError, ValueError, AttributeError, TypeError, RuntimeError):
        return {}


def _remember(files: dict[str, dict[str, Any]], extra: str) -> None:
    with contextlib.suppress(OSError, RuntimeError, NoSpace):  # without a cache folder it only takes longer
        memory = _memory(extra)
        write_atomic(memory, json.dumps(files))
