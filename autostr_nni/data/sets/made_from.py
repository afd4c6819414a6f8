"""The files that a rendered set is made from, known by what they hold and not by where they lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.data.decoding.image_files import SUFFIXES, walk_files
from autostr_nni.data.sets.folders import DATA_FILE, find_sets
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.synth.fonts import OWN_SUFFIXES
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.data.synth.words import read_words
from autostr_nni.system.errors import InputError

#: Of a description, what is a file, a folder, or several of them.
_PATHS = ("source", "exclude", "fonts", "backgrounds")
Inputs = dict[str, list[str | None]]


def inputs_of(spec: SynthSpec) -> Inputs:
    """A fingerprint of each file or folder that a description names; None for what cannot be read.

    Of a list of words its content; of a set its size; of fonts and pictures, which may be thousands, names
    and sizes. A folder of sets has none: others may be rendered into it at any time.
    """
    found: Inputs = {}
    for key in _PATHS:
        found[key] = []
        for path in map(Path, _paths(spec, key)):
            try:
                named = _listed(key, path) if path.is_dir() else path.read_bytes()
                found[key].append(hashlib.sha256(named).hexdigest())
            except (OSError, InputError):
                found[key].append(None)
    return found


def _listed(key: str, path: Path) -> bytes:
    """The files of a folder that the key looks at, with their sizes."""
    if key == "exclude":
        files = [path / DATA_FILE]
    else:
        suffixes = OWN_SUFFIXES if key == "fonts" else SUFFIXES
        files = [file for file in walk_files(path, f"folder of {key}") if file.suffix.lower() in suffixes]
    return b"".join(
        os.fsencode(file.relative_to(path)) + b"\0%d\0" % file.stat().st_size for file in sorted(files)
    )


def difference(note: Mapping[str, Any], spec: SynthSpec) -> str | None:
    """In what a set is another than the one described, by the note beside it; None where it is the same.

    A folder that was moved, or copied with its files, is the same. Notes of earlier versions have no
    fingerprints: by these the paths must be alike.
    """
    made = SynthSpec.from_dict(note["spec"])  # an older one has fewer keys
    then, now = made.to_dict(), spec.to_dict()
    held, here = note.get("inputs"), inputs_of(spec)
    for key in now:
        before, after = _paths(made, key), _paths(spec, key)
        if not (before or after):
            if then[key] != now[key]:
                return f"{key} was {then[key]}, and is {now[key]}"
        elif len(before) != len(after):
            return f"{key} was {then[key]}, and is {now[key]}"
        for place, (one, other) in enumerate(zip(before, after, strict=False)):
            known = held[key][place] if held else None
            if known is None or here[key][place] is None:
                if one != other:
                    return f"{key} was {one}, and is {other}"
            elif known != here[key][place]:
                return f"{other} ({key}) is not what it was made from"
    return None


def excluded_words(names: tuple[str, ...]) -> set[str]:
    """All words of the given word lists and sets."""
    words: set[str] = set()
    for name in names:
        if Path(name).is_dir():
            for folder in find_sets(name):
                with LmdbReader(folder) as reader:
                    words.update(raw.decode(errors="replace") for _, raw in reader.labels())
        else:
            words.update(word for word, _ in read_words(name))
    return words


def _paths(spec: SynthSpec, key: str) -> list[str]:
    """The paths of a key of a description; none for other keys, and for words that are no file."""
    if key not in _PATHS:
        return []
    if key != "source":
        return list(getattr(spec, key))
    return [] if spec.source == "english" or spec.digits() else [spec.source]
