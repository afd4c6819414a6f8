from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from autostr_nni.data.charset import Charset
from autostr_nni.data.synth.spec import SPLIT_NAMES, SynthSpec
from autostr_nni.data.synth.words import (
    SPLITS,
    WordSource,
    english,
    fold_word,
    in_split,
    place_of,
    read_words,
)
from autostr_nni.system.errors import InputError

PRINTABLE = Charset.named("printable")
WORDS = [(word, 1.0) for word in ("apple", "Bread", "it's", "naïve", "a", "extraordinarily")]


def test_folding() -> None:
    assert fold_word("It's") == fold_word("ITS") == "its"
    assert fold_word("...") == "..."


def test_places_are_fixed_for_ever() -> None:
    # Sets rendered by different versions must stay disjoint.
    assert place_of("hello") == pytest.approx(0.17557226, abs=1e-7)
    assert place_of("HELLO!") == place_of("hello")


def test_each_word_is_in_one_split() -> None:
    words = [str(i) for i in range(5000)]
    counts = Counter(name for word in words for name in SPLITS if in_split(word, name))
    assert sum(counts.values()) == len(words)
    assert counts["train"] / 5000 == pytest.approx(0.8, abs=0.03)
    assert counts["test"] / 5000 == pytest.approx(0.1, abs=0.02)
    assert all(in_split(word, None) for word in words)
    assert tuple(SPLITS) == SPLIT_NAMES


@pytest.mark.parametrize("split", [None, *SPLITS])
def test_drawn_texts_fit(split: str | None) -> None:
    charset = Charset.named("alphanumeric")
    source = WordSource(
        english(), charset=charset, lengths=(3, 8), split=split, exclude=["the"], numbers=0.3, signs=0.3
    )
    rng = random.Random(0)
    texts = [source.draw(rng) for _ in range(300)]
    assert all(3 <= len(text) <= 8 and not charset.clean(text)[1] for text in texts)
    assert all(in_split(text, split) for text in texts)
    assert "the" not in map(str.lower, texts)
    assert any(text.isupper() for text in texts) and any(text.islower() for text in texts)
    assert any(text.isdigit() for text in texts)


def test_punctuation_is_drawn_where_the_charset_has_it() -> None:
    source = WordSource(WORDS, charset=PRINTABLE, signs=0.5)
    rng = random.Random(0)
    assert any(not source.draw(rng).isalnum() for _ in range(50))


def test_digits() -> None:
    source = WordSource(None, digits=(2, 4), charset=Charset.named("digits"), split="train")
    rng = random.Random(0)
    texts = {source.draw(rng) for _ in range(400)}
    assert {len(text) for text in texts} == {2, 3, 4}
    assert all(text.isdigit() and in_split(text, "train") for text in texts)


def test_lexicon_words_outside_the_charset_are_not_drawn() -> None:
    source = WordSource(WORDS, charset=PRINTABLE, lengths=(2, 10), vary_case=False)
    rng = random.Random(0)
    assert {source.draw(rng) for _ in range(100)} == {"apple", "Bread", "it's"}


def test_nothing_fits() -> None:
    with pytest.raises(InputError, match="no word of the list"):
        WordSource(WORDS, charset=Charset.named("digits"), name="the list")
    source = WordSource(None, digits=(1, 1), charset=Charset.named("digits"), exclude=list("0123456789"))
    with pytest.raises(InputError, match="no text"):
        source.draw(random.Random(0))


def test_word_lists(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeffone\n\n two words \nthree\t2.5\r\n", encoding="utf-8")
    assert read_words(path) == [("one", 1.0), ("two words", 1.0), ("three", 2.5)]
    for bad in ("x\tmany", "x\t-1", "x\tnan", "x\tinf"):
        path.write_text("one\n" + bad)
        with pytest.raises(InputError, match="line 2"):
            read_words(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_words(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_words(tmp_path / "no.txt")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"style": "wild"}, "mild, scene"),
        ({"split": "dev"}, "train, validation, test"),
        ({"min_length": 5, "max_length": 4}, "lengths"),
        ({"height": 4}, "height"),
        ({"charset": "printible"}, "printable"),
        ({"source": "digits:3-1"}, "digits:1-3"),
        ({"source": "digits:a"}, "digits:1-3"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_descriptions(values: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SynthSpec.from_dict({"count": 1, **values})


def test_descriptions_survive_json() -> None:
    spec = SynthSpec(3, exclude=("a",), fonts=["b"], backgrounds=None, source="digits:2")
    assert spec.digits() == (2, 2)
    assert SynthSpec.from_dict(spec.to_dict()) == spec
