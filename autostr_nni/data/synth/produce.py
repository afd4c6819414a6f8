"""Rendered sets: many words, by many processes, the same for any number of them."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autostr_nni.data.charset import Charset
from autostr_nni.data.in_order import in_order
from autostr_nni.data.sets.folders import DATA_FILE, NOTE_FILE, AlreadyThere, new_folder
from autostr_nni.data.sets.lmdb_write import write_samples
from autostr_nni.data.sets.made_from import difference, excluded_words, inputs_of
from autostr_nni.data.synth.camera import encode
from autostr_nni.data.synth.fonts import Face, find_faces
from autostr_nni.data.synth.geometry import WIDEST, WIDEST_LINE
from autostr_nni.data.synth.grounds import find_photos
from autostr_nni.data.synth.letters import can_draw
from autostr_nni.data.synth.render import render_word
from autostr_nni.data.synth.scripts import needs_shaping
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.data.synth.style import STYLES
from autostr_nni.data.synth.words import WordSource, draw_text, english, read_words
from autostr_nni.system.errors import InputError, escaped
from autostr_nni.system.locks import hold
from autostr_nni.system.threads import usable_cores

_PART = 32
_SHAPED = "in letters that join, stack or run from right to left, which are not rendered"
_NO_FONT = "that no font here draws (give --fonts)"
_SHOWN = 30

Progress = Callable[[int, int, float], None]
Words = list[tuple[str, float]]
_Part = list[tuple[bytes, str]]


@dataclass(frozen=True)
class _Maker:
    """All that a process needs to render sample ``index`` of a set, and nothing that changes."""

    spec: SynthSpec
    source: WordSource
    faces: tuple[Face, ...]
    photos: tuple[str, ...]

    def sample(self, index: int) -> tuple[bytes, str]:
        """Image and text of a sample: they depend on the description and the number alone."""
        rng = random.Random(f"{self.spec.seed}/{self.spec.split}/{index}")
        spec = self.spec
        text = draw_text(self.source, rng, spec.words, (spec.min_length, spec.max_length))
        widest = WIDEST if spec.words == (1, 1) else WIDEST_LINE
        image = render_word(text, rng, self.faces, spec.style, spec.height, self.photos, widest)
        return encode(image, rng, STYLES[self.spec.style]), text

    def part(self, start: int) -> list[tuple[bytes, str]]:
        """The samples from ``start`` on that are handed over together."""
        return [self.sample(index) for index in range(start, min(start + _PART, self.spec.count))]


def synthesize(
    folder: str | os.PathLike[str],
    count: int,
    *,
    processes: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Render ``count`` words into a new set at ``folder``; ``options`` are the fields of ``SynthSpec``.

    Returns a summary: words, seconds, words per second, fonts, words of a list that are left out by cause,
    and characters of the charset that no word has. ``processes`` is by default the number of
    cores. ``progress`` is called with (done, of, words per second). ``InputError`` for bad options, fonts,
    word lists, or a folder that is taken; the folder appears only when the set is complete.
    """
    return produce(folder, SynthSpec(count=count, **options), processes, force, progress)


def produce(
    folder: str | os.PathLike[str],
    spec: SynthSpec,
    processes: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """``synthesize`` for a description."""
    started = time.monotonic()
    with new_folder(folder, force) as partial_folder:  # a taken folder is refused before any work
        maker = _maker(spec)
        workers = max(1, min(processes or usable_cores(), -(-spec.count // _PART)))
        starts = range(0, spec.count, _PART)
        with in_order(maker.part, starts, workers, "rendered words") as parts:
            count = write_samples(partial_folder, _reported(parts, spec.count, progress))
        about = {"spec": spec.to_dict(), "inputs": inputs_of(spec), "fonts": len(maker.faces)}
        note = {"made_by": "autostr data synth", **about}
        (partial_folder / NOTE_FILE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    seconds = time.monotonic() - started
    return {
        "folder": str(folder),
        "words": count,
        "seconds": round(seconds, 3),
        "words_per_second": round(count / seconds, 1),
        "processes": workers,
        "fonts": len(maker.faces),
        "left_out": {} if spec.source == "english" else dict(maker.source.left_out.most_common()),
        "in_no_word": maker.source.lacks() if spec.source == "english" else "",
    }


def check_spec(spec: SynthSpec) -> None:
    """Raise InputError where a set cannot be rendered as described: no such fonts, words or photographs."""
    _maker(spec)


def left_out_lines(summary: Mapping[str, Any]) -> list[str]:
    """What to tell of a rendered set: which words of the list are never drawn, and which characters."""
    lines = []
    if causes := summary.get("left_out"):
        lines.append("words left out: " + ", ".join(f"{count} {cause}" for cause, count in causes.items()))
    if characters := summary.get("in_no_word"):
        more = f" and {len(characters) - _SHOWN} more" if len(characters) > _SHOWN else ""
        lines.append(f"in none of the words: {' '.join(characters[:_SHOWN])}{more} (give --lexicon)")
    return lines


def ensure(
    folder: str | os.PathLike[str],
    spec: SynthSpec,
    processes: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any] | None:
    """Make a set unless the folder already holds exactly the one described; the summary if it was made.

    ``InputError`` if the folder holds another set, or one of other contents of the same files: it may be
    somebody's, and is not replaced.
    """
    if not (Path(folder) / DATA_FILE).exists():
        with _alone(Path(folder).absolute()):
            if not (Path(folder) / DATA_FILE).exists():  # another search may have rendered it meanwhile
                # Or it does so at this moment, where no file can be held or another user's is in the way.
                with suppress(AlreadyThere):
                    return produce(folder, spec, processes, progress=progress)
    try:
        note = json.loads((Path(folder) / NOTE_FILE).read_text(encoding="utf-8"))
        other = difference(note, spec)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, InputError):
        other = f"its {NOTE_FILE} does not tell what it was made from"
    if other:
        raise InputError(
            f"{folder} holds another set than the one described ({other}): name a new folder or remove it"
        )
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a file beside a set while it is rendered: two searches that begin at once render it once."""
    lock = folder.with_name(f".{folder.name}.lock")
    with ExitStack() as stack:
        with suppress(OSError):  # a folder that cannot be written to is told by the rendering
            lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold(lock, lambda: _tell(f"{folder} is being rendered by another process")))
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def word_source(spec: SynthSpec, faces: tuple[Face, ...], words: Words | None) -> WordSource:
    """The texts that a description allows, of ``words`` unless they are numbers."""

    def undrawn(text: str) -> str:
        if can_draw(text, faces):
            return ""
        return _SHAPED if any(map(needs_shaping, text)) else _NO_FONT

    common: dict[str, Any] = {
        "charset": Charset.named(spec.charset),
        "undrawn": undrawn,
        "lengths": (spec.min_length if spec.words[1] == 1 else 1, spec.max_length),
        "split": spec.split,
        "exclude": excluded_words(spec.exclude),
        "name": spec.source,
    }
    if digits := spec.digits():
        return WordSource(None, digits=digits, **common)
    if spec.source != "english":
        return WordSource(words, **common)
    # Numbers and signs that the charset lacks are drawn again: none are asked for where all would be.
    known = common["charset"].characters
    numbers = 0.08 if "0" in known else 0.0
    return WordSource(words, numbers=numbers, signs=0.06 if "." in known else 0.0, **common)


def _wanted(charset: Charset, words: Words) -> str:
    """The characters that faces are asked for: those of the charset, and what words make of its accents."""
    others = {c for word, _ in words if not word.isascii() for c in word + word.upper() + word.lower()}
    readable = (c for c in others if not charset.clean(c)[1])
    return "".join(c for c in {*charset.characters, *readable} if not needs_shaping(c))


def _tell(sentence: str) -> None:
    print(escaped(sentence), file=sys.stderr, flush=True)


def _maker(spec: SynthSpec) -> _Maker:
    words = None if spec.digits() else english() if spec.source == "english" else read_words(spec.source)
    wanted = _wanted(Charset.named(spec.charset), words or [])
    faces = tuple(find_faces(spec.fonts, spec.system_fonts, _tell, wanted))
    photos = tuple(find_photos(spec.backgrounds, _tell))
    maker = _Maker(spec, word_source(spec, faces, words), faces, photos)
    maker.sample(0)  # what cannot be drawn at all is said here, not by a process
    return maker


def _reported(parts: Iterator[_Part], count: int, progress: Progress | None) -> Iterator[tuple[bytes, str]]:
    started, done = time.monotonic(), 0
    for part in parts:
        yield from part
        done += len(part)
        if progress is not None:
            progress(done, count, done / max(time.monotonic() - started, 1e-6))
