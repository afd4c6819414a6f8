"""Lines of several words: drawn with blanks between, rendered wider than words, split like these."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image

from autostr_nni.cli.main import main
from autostr_nni.data.sets.folders import NOTE_FILE
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.synth.fonts import find_faces
from autostr_nni.data.synth.geometry import WIDEST_LINE
from autostr_nni.data.synth.glyphs import matplotlib_fonts
from autostr_nni.data.synth.produce import ensure, produce, synthesize, word_source
from autostr_nni.data.synth.render import render_word
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.data.synth.words import draw_text, in_split
from autostr_nni.recipe import recipe_from
from autostr_nni.system.errors import InputError

LETTERS = "abcdefghijklmnopqrstuvwxyz "
WORDS = [(word, 1.0) for word in ("open", "the", "door", "after", "seven", "and", "cafe", "extraordinarily")]


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fonts")
    shutil.copy(matplotlib_fonts() / "DejaVuSans.ttf", folder)
    return folder


def test_lines_are_as_long_as_they_are_asked_for(fonts: Path) -> None:
    faces = tuple(find_faces([fonts], system=False))
    spec = SynthSpec(count=1, split="train", charset=LETTERS, min_length=12, max_length=40, words=(2, 6))
    source, rng = word_source(spec, faces, WORDS), random.Random(0)
    texts = [draw_text(source, rng, spec.words, (spec.min_length, spec.max_length)) for _ in range(200)]
    assert all(12 <= len(text) <= 40 and 2 <= len(text.split(" ")) <= 6 for text in texts)
    assert {len(text.split(" ")) for text in texts} == {2, 3, 4, 5, 6}
    assert all(in_split(word, "train") for text in texts for word in text.split(" "))
    assert {word for text in texts for word in text.split(" ")} <= {word for word, _ in WORDS}
    with pytest.raises(InputError, match="no text of 2 to 3 words of english fits: check lengths, fonts"):
        draw_text(source, rng, (2, 3), (90, 100))


def test_a_long_line_is_not_squeezed_like_a_word(fonts: Path) -> None:
    faces, text = tuple(find_faces([fonts], system=False)), "several words of a line that is long"
    word, line = (
        render_word(text, random.Random(1), faces, "mild", 32, **widest)
        for widest in ({}, {"widest": WIDEST_LINE})
    )
    assert isinstance(word, Image.Image) and word.width == 14 * word.height
    assert 14 * line.height < line.width <= 28 * line.height


def test_a_set_of_lines(tmp_path: Path, fonts: Path) -> None:
    look = {"fonts": (str(fonts),), "system_fonts": False, "style": "mild", "charset": LETTERS}
    synthesize(tmp_path / "set", 8, processes=1, words=(2, 4), max_length=30, **look)
    with LmdbReader(tmp_path / "set") as reader:
        texts = [reader.sample(number)[1] for number in range(1, 9)]
    assert all(1 <= text.count(" ") <= 3 and len(text) <= 30 for text in texts)
    with pytest.raises(InputError, match="texts of 2 to 4 words need the blank: list it among the charset's"):
        SynthSpec(count=1, words=(2, 4))
    with pytest.raises(InputError, match=r"words must be 1 or more and rise, not \[3, 2\]"):
        SynthSpec(count=1, words=(3, 2), charset=LETTERS)


def test_a_set_of_an_older_version_is_the_same_set(tmp_path: Path, fonts: Path) -> None:
    """Its description does not say how many words a text has."""
    spec = SynthSpec(count=2, source="digits:1-2", fonts=(str(fonts),), system_fonts=False, style="mild")
    produce(tmp_path / "set", spec, processes=1)
    note = json.loads((tmp_path / "set" / NOTE_FILE).read_text())
    del note["spec"]["words"], note["inputs"]
    (tmp_path / "set" / NOTE_FILE).write_text(json.dumps(note))
    assert ensure(tmp_path / "set", spec) is None
    note["spec"]["wrods"] = 1
    (tmp_path / "set" / NOTE_FILE).write_text(json.dumps(note))
    with pytest.raises(InputError, match="holds another set than the one described"):
        ensure(tmp_path / "set", spec)


def test_wrong_numbers_of_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "synth", str(tmp_path / "set"), "--count", "1", "--words", "many"]) == 2
    assert "--words many: write two numbers, such as 2-8" in capsys.readouterr().err
    assert main(["data", "synth", str(tmp_path / "set"), "--count", "1", "--words", "2-8"]) == 2
    assert "texts of 2 to 8 words need the blank" in capsys.readouterr().err
    synth = {"a": {"count": 1, "words": [3, 2]}}
    with pytest.raises(InputError, match=r"data.synth.a.words must rise, not \[3, 2\]"):
        recipe_from({"data": {"train": ["a"], "validation": ["b"], "synth": synth}}, tmp_path)
