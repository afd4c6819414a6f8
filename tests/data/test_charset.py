from __future__ import annotations

import pickle
import unicodedata

import pytest

from autostr_nni.data.charset import NAMED, Charset
from autostr_nni.system.errors import InputError


@pytest.mark.parametrize(
    ("name", "size"), [("printable", 94), ("alphanumeric", 62), ("lowercase", 36), ("digits", 10), ("xyz", 3)]
)
def test_sizes(name: str, size: int) -> None:
    charset = Charset.named(name)
    assert len(charset.characters) == size
    assert (charset.eos, charset.bos, charset.classes) == (size, size + 1, size + 1)


@pytest.mark.parametrize("name", ["printable", "alphanumeric", "lowercase", "digits"])
def test_round_trip(name: str) -> None:
    charset = Charset.named(name)
    ids = charset.encode(charset.characters)
    assert ids == [*range(charset.eos), charset.eos]
    assert charset.decode(ids) == charset.characters


def test_printable_is_ascii_without_blanks() -> None:
    assert sorted(Charset.named("printable").characters) == [chr(c) for c in range(33, 127)]


def test_case_is_folded_before_cleaning() -> None:
    charset = Charset.named("lowercase")
    assert charset.clean("Café-No.9") == ("cafno9", 3)
    assert charset.decode(charset.encode("ABC")) == "abc"


def test_clean_removes_and_counts() -> None:
    charset = Charset.named("printable")
    assert charset.clean("a b\té!") == ("ab!", 3)
    assert charset.clean("ab!") == ("ab!", 0)
    assert charset.clean("") == ("", 0)
    assert Charset.named("]^-\\[").clean("a]b-\\") == ("]-\\", 2)


def test_decode_stops_at_the_end() -> None:
    charset = Charset.named("digits")
    assert charset.decode([1, 2, charset.eos, 3]) == "12"
    assert charset.decode([1, charset.bos, 2]) == "1"
    assert charset.decode([1, -100]) == "1"


def test_unknown_characters_are_not_encoded() -> None:
    with pytest.raises(InputError, match="'a'"):
        Charset.named("digits").encode("1a")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "empty"),
        ("printible", "did you mean 'printable'"),
        ("lowrcase", "did you mean 'lowercase'"),
        ("aab", "'a'"),
    ],
)
def test_bad_charsets(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Charset.named(name)


@pytest.mark.parametrize("bad", ["abc\n", "a\tb", "\x1babc", "ab\u2028"])
def test_no_control_characters(bad: str) -> None:
    with pytest.raises(InputError, match="no character of a word"):
        Charset.named(bad)


@pytest.mark.parametrize(
    ("characters", "text", "parts"),
    [
        ("eé", "e\u0301", "é"),
        ("e\u0301ee\u0300", "éè", "éè"),  # a list in letters and accents, that repeats them
        ("et\u0301", "été", "e\u0301te\u0301"),  # accents as classes of their own
        ("\u212bm", "Å", "\u212b"),  # the sign of the unit, which Unicode takes for the letter
        ("\u09dfক", "\u09af\u09bcক", "\u09dfক"),  # a letter that Unicode takes apart
        ("\u1112\u1161", "하", "\u1112\u1161"),
    ],
)
def test_a_character_is_the_same_however_it_is_written(characters: str, text: str, parts: str) -> None:
    charset = Charset.named(characters)
    assert charset.clean(text) == (parts, 0)
    assert charset.count(text.encode()) == (len(parts), 0)
    ids = charset.encode_label(text.encode())
    assert charset.letters(ids) == list(parts)
    assert charset.decode(ids) == unicodedata.normalize("NFC", text)


def test_a_list_of_distinct_characters_keeps_its_classes() -> None:
    for name in ("abe\u0301", "\u1112\u1161", "Å\u212b"):
        assert Charset.named(name).characters == name


def test_pickles() -> None:
    charset = Charset.named("lowercase")
    assert pickle.loads(pickle.dumps(charset)) == charset


@pytest.mark.parametrize("name", [*NAMED, "abc!é", "€$"])
@pytest.mark.parametrize("label", ["", "Hello", "no. 9", "naïve", "\u212aelvin", "€5!", "ß", "A-b_c", "\t~"])
def test_labels_encode_as_their_texts(name: str, label: str) -> None:
    """The short way over bytes gives what cleaning and encoding the text gives."""
    charset, raw = Charset.named(name), label.encode()
    text, removed = charset.clean(label)
    assert list(charset.encode_label(raw)) == charset.encode(text)
    assert charset.count(raw) == (len(text), removed)


@pytest.mark.parametrize(
    ("name", "case", "text", "read"),
    [
        ("cab0", "lower", "ABC0x", "abc0"),
        ("CAB0", "upper", "abC0x", "ABC0"),
        ("aбв", "lower", "БВ", "бв"),
        ("ДВА", "upper", "два", "ДВА"),
        ("abC", None, "ABC", "C"),
        ("321", None, "123x", "123"),
    ],
)
def test_letters_of_one_case_are_read_in_it(name: str, case: str | None, text: str, read: str) -> None:
    """Else `Hello` would be taught as `ello`."""
    charset = Charset.named(name)
    assert charset.case == case and charset.clean(text)[0] == read
    assert charset.decode(charset.encode_label(text.encode())) == read
    assert charset.count(text.encode()) == (len(read), len(text) - len(read))
    assert charset.folds(text.encode()) == (case is not None)
    assert not charset.folds(read.encode())
