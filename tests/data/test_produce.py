from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.folders import NOTE_FILE
from autostr_nni.data.lmdb_io import LmdbReader
from autostr_nni.data.synth.glyphs import matplotlib_fonts
from autostr_nni.data.synth.produce import ensure, produce, synthesize
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.data.synth.words import fold_word, in_split
from autostr_nni.search_spaces.errors import InputError


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Two faces and nothing of the system, so that the tests run alike everywhere."""
    folder = tmp_path_factory.mktemp("fonts")
    for name in ("DejaVuSans-Bold", "DejaVuSerif"):
        shutil.copy(matplotlib_fonts() / f"{name}.ttf", folder)
    return {"fonts": (str(folder),), "system_fonts": False, "source": "digits:1-4"}


def _samples(folder: Path) -> list:
    with LmdbReader(folder) as reader:
        return [reader.sample(number) for number in range(1, len(reader) + 1)]


def test_same_set_by_any_number_of_processes(tmp_path: Path, options: dict) -> None:
    sets = []
    for processes in (1, 2, 3):
        folder = tmp_path / str(processes)
        summary = synthesize(folder, 100, seed=4, processes=processes, **options)
        assert summary["words"] == 100 and summary["fonts"] == 2
        sets.append(_samples(folder))
    assert sets[0] == sets[1] == sets[2]
    assert len({image for image, _ in sets[0]}) == 100
    synthesize(tmp_path / "longer", 120, seed=4, processes=1, **options)
    assert _samples(tmp_path / "longer")[:100] == sets[0]
    synthesize(tmp_path / "other", 100, seed=5, processes=1, **options)
    assert _samples(tmp_path / "other") != sets[0]


def test_splits_share_no_word(tmp_path: Path, options: dict) -> None:
    words = {}
    for split in ("train", "validation", "test"):
        synthesize(tmp_path / split, 60, split=split, processes=1, **options | {"style": "mild"})
        words[split] = {fold_word(text) for _, text in _samples(tmp_path / split)}
        assert all(in_split(word, split) for word in words[split])
    assert not words["train"] & words["validation"]
    assert not words["train"] & words["test"]
    assert not words["validation"] & words["test"]


def test_excluded_sets_and_lists(tmp_path: Path, options: dict) -> None:
    lexicon = tmp_path / "words.txt"
    lexicon.write_text("apple\nbread\ncheese\ndates\n")
    held = tmp_path / "held.txt"
    held.write_text("Cheese\n")
    named = options | {"source": str(lexicon)}
    synthesize(tmp_path / "a", 1, processes=1, seed=1, **named | {"exclude": str(held)})
    first = {fold_word(text) for _, text in _samples(tmp_path / "a")}
    assert "cheese" not in first
    synthesize(tmp_path / "b", 20, processes=1, **named | {"exclude": [str(held), str(tmp_path / "a")]})
    second = {fold_word(text) for _, text in _samples(tmp_path / "b")}
    assert second and not second & (first | {"cheese"})


def test_english_words_are_readable_by_the_charset(tmp_path: Path, options: dict) -> None:
    named = options | {"source": "english", "charset": "alphanumeric", "max_length": 8}
    synthesize(tmp_path / "set", 40, processes=1, **named)
    dataset = WordDataset(tmp_path / "set", Charset.named("alphanumeric"), 8)
    assert len(dataset) == 40 and not dataset.skipped and not dataset.trimmed


def test_ensure_makes_once(tmp_path: Path, options: dict) -> None:
    spec = SynthSpec(5, **options)
    assert ensure(tmp_path / "set", spec, 1)
    note = json.loads((tmp_path / "set" / NOTE_FILE).read_text())
    assert SynthSpec.from_dict(note["spec"]) == spec
    assert not ensure(tmp_path / "set", spec, 1)
    with pytest.raises(InputError, match="another set"):
        ensure(tmp_path / "set", SynthSpec(6, **options), 1)
    (tmp_path / "set" / NOTE_FILE).unlink()
    with pytest.raises(InputError, match="another set"):
        ensure(tmp_path / "set", spec, 1)


def test_progress(tmp_path: Path, options: dict) -> None:
    calls = []
    spec = SynthSpec(70, style="mild", **options)
    produce(tmp_path / "set", spec, 1, progress=lambda done, of, rate: calls.append((done, of)))
    assert calls == [(32, 70), (64, 70), (70, 70)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"source": "nowhere.txt"}, "no such file"),
        ({"source": "digits:30-40"}, "no text"),
        ({"fonts": ("/nonexistent",)}, "folder of fonts /nonexistent cannot be opened"),
        ({"backgrounds": ("/nonexistent",)}, "folder of backgrounds /nonexistent cannot be opened"),
        ({"exclude": ("/nonexistent",)}, "no such file"),
        ({"source": "english", "charset": "@#"}, "no word"),
    ],
)
def test_bad_options_leave_nothing(tmp_path: Path, options: dict, changed: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        synthesize(tmp_path / "set", 5, processes=2, **options | changed)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_folder_is_refused(tmp_path: Path, options: dict) -> None:
    synthesize(tmp_path / "set", 2, processes=1, **options)
    with pytest.raises(InputError, match="--force"):
        synthesize(tmp_path / "set", 3, processes=1, **options)
    assert synthesize(tmp_path / "set", 3, processes=1, force=True, **options)["words"] == 3
    assert len(LmdbReader(tmp_path / "set")) == 3


STUCK = """
import ctypes, os
from autostr_nni.data.synth.produce import _start_process, multiprocessing
from autostr_nni.nni.launcher import stoppable

def wait_for_ever(_):
    mutex = ctypes.create_string_buffer(64)
    started.set()
    while True:  # the second time nothing wakes it, and no line of Python is run any more
        ctypes.CDLL(None).pthread_mutex_lock(mutex)

context = multiprocessing.get_context("fork")
started = context.Event()
with stoppable(), context.Pool(1, _start_process, (None, os.getpid())) as pool:
    pool.apply_async(wait_for_ever, (0,))
    assert started.wait(30)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are forked on Linux")
def test_the_end_of_a_set_waits_for_no_process_that_waits_for_work() -> None:
    """Where a command handles SIGTERM itself, as a search does; in a process of its own, which may hang."""
    subprocess.run([sys.executable, "-c", STUCK], check=True, timeout=60)
