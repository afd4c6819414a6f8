from __future__ import annotations

import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.data.charset import Charset
from autostr_nni.data.dataset import WordDataset
from autostr_nni.data.sets.folders import NOTE_FILE
from autostr_nni.data.sets.lmdb_io import LmdbReader
from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.data.synth.produce import (
    ensure,
    left_out_lines,
    produce,
    synthesize,
)
from autostr_nni.data.synth.spec import SynthSpec
from autostr_nni.data.synth.words import WordSource, draw_text, fold_word, in_split
from autostr_nni.recipe import recipe_from
from autostr_nni.system.errors import InputError


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
        ({"fonts": ("nowhere",)}, "folder of fonts nowhere cannot be opened"),
        ({"backgrounds": ("nowhere",)}, "folder of backgrounds nowhere cannot be opened"),
        ({"exclude": ("nowhere",)}, "no such file"),
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


def drawn(folder: Path, options: dict, words: str, charset: str, **more) -> tuple[set[str], dict]:
    """The labels of a set rendered from a word list, and its summary."""
    lexicon = folder / "words.txt"
    lexicon.write_text(words.replace(" ", "\n"), encoding="utf-8")
    named = options | {"source": str(lexicon), "charset": charset, "style": "mild", **more}
    summary = synthesize(folder / "set", 60, processes=1, **named)
    return {text for _, text in _samples(folder / "set")}, summary


def test_words_with_accents_and_other_letters_are_drawn(tmp_path: Path, options: dict) -> None:
    letters = "abcdefghijklmnopqrstuvwxyzéïüßжйкопрх"
    words = "café naïve plain über жук хор straße u\u0308ber"
    texts, summary = drawn(tmp_path, options, words, letters)
    assert texts == {"café", "naïve", "plain", "über", "straße", "хор"}
    assert summary["left_out"] == {"with characters that the charset lacks": 1}
    images = {text: image for image, text in _samples(tmp_path / "set")}
    assert len(set(images.values())) == 6


def test_what_cannot_be_drawn_is_counted(tmp_path: Path, options: dict) -> None:
    words = "plain שלום कि 人口 sofa مكتب"
    texts, summary = drawn(tmp_path, options, words, "plainsofשלוםकि人口مكتب")
    assert texts == {"plain", "sofa"}
    assert summary["left_out"] == {
        "in letters that join, stack or run from right to left, which are not rendered": 3,
        "that no font here draws (give --fonts)": 1,
    }
    assert left_out_lines(summary)[0].startswith("words left out: 3 in letters that join")


def test_a_list_that_cannot_be_drawn_at_all(tmp_path: Path, options: dict) -> None:
    with pytest.raises(InputError, match="fits: 2 in letters that join, stack or run from right to left"):
        drawn(tmp_path, options, "שלום מים", "שלוםמי")


def test_accents_as_classes_of_their_own_are_drawn_on_their_letters(tmp_path: Path, options: dict) -> None:
    texts, _ = drawn(tmp_path, options, "été tête", "et\u0301\u0302")
    assert texts == {"été", "tête"}


def test_words_with_blanks(tmp_path: Path, options: dict) -> None:
    lexicon = tmp_path / "words.txt"
    lexicon.write_text("new york\n")
    named = options | {"source": str(lexicon), "charset": "newyrk o"}
    synthesize(tmp_path / "set", 4, processes=1, **named)
    assert {text for _, text in _samples(tmp_path / "set")} == {"new york"}


def test_characters_that_are_in_no_word_are_told(tmp_path: Path, options: dict) -> None:
    named = options | {"source": "english", "charset": "abcdefghijklmnopqrstuvwxyzéж", "style": "mild"}
    summary = synthesize(tmp_path / "set", 3, processes=1, **named)
    assert summary["in_no_word"] == "éж" and summary["left_out"] == {}
    assert left_out_lines(summary) == ["in none of the words: é ж (give --lexicon)"]


def test_splits_of_other_letters_share_no_word(tmp_path: Path) -> None:
    assert fold_word("Жук!") == fold_word("ЖУК") == "жук" != fold_word("ЖУ")
    assert fold_word("e\u0301te\u0301") == fold_word("Été") == "été"


def test_a_recipe_tells_what_is_left_out(tmp_path: Path, raw_set, picture) -> None:
    (tmp_path / "words.txt").write_text("plain\ncafé\n", encoding="utf-8")
    more = raw_set([(picture(), b"plain")] * 3, count=b"1")
    synth = {"count": 2, "style": "mild", "lexicon": "words.txt", "system_fonts": False}
    data = {"train": ["words"], "validation": [str(more)], "synth": {"words": synth}}
    told: list[str] = []
    prepare_data(recipe_from({"data": data}, tmp_path), told.append, processes=1)
    assert told[1:] == [
        "  words left out: 1 with characters that the charset lacks",
        f"warning: {more}: 2 more beyond num-samples, which is 1: not used; raise it to use them",
    ]


def test_a_set_is_known_by_what_its_files_hold(tmp_path: Path, options: dict) -> None:
    """Moved with them it is the same; where one of them has changed it is another."""

    def described(folder: Path, **more: Any) -> SynthSpec:
        look = {"fonts": (str(folder / "fonts"),), "system_fonts": False, "style": "mild"}
        return SynthSpec(**{"count": 2, "source": str(folder / "words.txt"), **look, **more})

    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(options["fonts"][0], here / "fonts")
    (here / "words.txt").write_text("alpha\nbeta\n")
    produce(here / "set", described(here), processes=1)
    here.rename(there)
    assert ensure(there / "set", described(there)) is None
    (there / "fonts" / "README").write_text("no font")
    assert ensure(there / "set", described(there)) is None
    shutil.copy(there / "fonts" / "DejaVuSerif.ttf", os.fsencode(there / "fonts") + b"/caf\xe9.ttf")
    with pytest.raises(InputError, match=r"fonts \(fonts\) is not what it was made from"):
        ensure(there / "set", described(there))
    os.remove(os.fsencode(there / "fonts") + b"/caf\xe9.ttf")
    with pytest.raises(InputError, match=r"\(source was .*words\.txt, and is english\)"):
        ensure(there / "set", described(there, source="english"))
    with pytest.raises(InputError, match=r"\(fonts was .*, and is \[\]\)"):
        ensure(there / "set", described(there, fonts=()))
    (there / "words.txt").write_text("gamma\ndelta\n")
    with pytest.raises(InputError, match=r"words\.txt \(source\) is not what it was made from\): name a new"):
        ensure(there / "set", described(there))
    (there / "words.txt").unlink()  # and where it is gone, by its name
    with pytest.raises(InputError, match=r"\(source was .*here/words\.txt, and is .*there/words\.txt\)"):
        ensure(there / "set", described(there))
    with pytest.raises(InputError, match=r"\(count was 2, and is 3\)"):
        ensure(there / "set", described(there, count=3, source="digits:1-2"))
    (there / "set" / NOTE_FILE).write_text("{}")
    with pytest.raises(InputError, match=r"\(its set\.json does not tell what it was made from\)"):
        ensure(there / "set", described(there))


def test_sets_are_rendered_into_a_folder_whose_sets_are_excluded(tmp_path: Path, options: dict) -> None:
    rendered = [SynthSpec(2, seed, exclude=(str(tmp_path / "data"),), **options) for seed in (1, 2)]
    produce(tmp_path / "data" / "first", SynthSpec(2, **options), processes=1)
    for _ in range(2):
        for number, spec in enumerate(rendered):
            ensure(tmp_path / "data" / str(number), spec, processes=1)


def test_two_that_begin_at_once_render_once(tmp_path: Path, options: dict) -> None:
    spec = SynthSpec(40, **options)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: ensure(tmp_path / "set", spec, processes=1), range(2)))
    assert sum(summary is not None for summary in made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_excluded_lines_are_not_drawn() -> None:
    words = [("cat", 1.0), ("dog", 1.0)]
    lines = [f"{a} {b}" for a in ("cat", "dog") for b in ("cat", "dog")]
    source = WordSource(words, charset=Charset.named(" abcdefghijklmnopqrstuvwxyz"), exclude=lines[1:])
    drawn = {draw_text(source, random.Random(seed), (2, 2), (1, 20)) for seed in range(20)}
    assert drawn == {"cat cat"}
    source = WordSource(words, charset=Charset.named(" abcdefghijklmnopqrstuvwxyz"), exclude=lines)
    with pytest.raises(InputError, match="excluded texts"):
        draw_text(source, random.Random(0), (2, 2), (1, 20))
