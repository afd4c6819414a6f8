"""Characters that a recognizer can read, and their class numbers. Light: no torch."""

from __future__ import annotations

import difflib
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from autostr_nni.system.characters import composed, controls, listed
from autostr_nni.system.errors import InputError

#: Bytes that UTF-8 never has: the end of a word, and what fills the places after it.
END, PAD = b"\xfe", b"\xff"

_ACCENTED = [chr(code) for code in range(0xC0, 0x180) if chr(code) not in "×÷ĸŉſĿŀ"]
#: The letters of European languages in Latin script: Latin-1, Latin Extended-A, and the Romanian and German
#: ones beyond; with their quotation marks, dashes and signs.
_LATIN = "".join(_ACCENTED) + "ȘșȚțẞ" + "¡¿«»‹›‘’‚“”„–—…·°§€£¥¢"

#: Named character sets: the characters in the order of their classes, and whether case is folded.
NAMED: dict[str, tuple[str, bool]] = {
    "printable": (
        string.digits + string.ascii_lowercase + string.ascii_uppercase + string.punctuation,
        False,
    ),
    "alphanumeric": (string.digits + string.ascii_lowercase + string.ascii_uppercase, False),
    "lowercase": (string.digits + string.ascii_lowercase, True),
    "digits": (string.digits, False),
    "latin": (
        string.digits + string.ascii_lowercase + string.ascii_uppercase + string.punctuation + _LATIN,
        False,
    ),
}
_LONGEST_NAME = 30  # characters of what may be a name misspelt


@dataclass(frozen=True)
class Charset:
    """An ordered set of characters with class numbers.

    Characters are classes 0 to n-1, the end of a word (``eos``) is class n. ``bos`` (n + 1) starts the
    decoder; it is only ever an input, never a class. With ``fold_case`` upper case is read as lower case, or
    the other way round in a charset of upper case.
    A character is the same however it is written: texts are composed (NFC) before they are looked at.
    """

    characters: str
    fold_case: bool = False
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)
    _known: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _unknown: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _table: bytes | None = field(init=False, repr=False, compare=False)  # class number of every ASCII byte
    _removed: bytes = field(init=False, repr=False, compare=False)  # bytes that the charset lacks
    #: (composed, as the charset has it) of characters that are listed in another spelling
    _own: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", listed(self.characters))
        if not self.characters:
            raise InputError("the charset is empty: name one of " + ", ".join(NAMED) + " or list characters")
        repeated = sorted(c for c, count in Counter(self.characters).items() if count > 1)
        if repeated:
            near = difflib.get_close_matches(self.characters, NAMED, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "known names are " + ", ".join(NAMED)
            raise InputError(
                f"charset '{self.characters}' repeats the characters {' '.join(map(repr, repeated))}; {hint}"
            )
        if found := controls(self.characters):
            raise InputError(f"the charset holds {found[0]!r}, which is no character of a word: leave it out")
        if self.fold_case and self.characters not in (self.characters.lower(), self.characters.upper()):
            raise InputError("a charset that folds case must not list letters of both cases")
        escaped = "".join(map(re.escape, self.characters))
        object.__setattr__(self, "_numbers", {c: i for i, c in enumerate(self.characters)})
        own = [(composed(c), c) for c in self.characters if composed(c) not in self._numbers]
        object.__setattr__(self, "_own", tuple(own))
        object.__setattr__(self, "_known", re.compile(f"[{escaped}]*"))
        object.__setattr__(self, "_unknown", re.compile(f"[^{escaped}]"))
        table, removed = self._bytes()
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_removed", removed)

    def _bytes(self) -> tuple[bytes | None, bytes]:
        """Tables for ``bytes.translate``; None for a charset that goes beyond ASCII."""
        if not self.characters.isascii():
            return None, b""
        numbers = dict(self._numbers)
        if self.fold_case:
            numbers |= {c.swapcase(): n for c, n in self._numbers.items()}
        table = bytes(numbers.get(chr(byte), 0) for byte in range(256))
        return table, bytes(byte for byte in range(256) if chr(byte) not in numbers)

    @classmethod
    def named(cls, name: str) -> Charset:
        """A charset by name (see ``NAMED``) or, for any other text, of exactly its characters.

        One whose letters are all of one case folds the other: else `Hello` would be taught as `ello`.
        """
        return _named(name)

    @staticmethod
    def _made(name: str) -> Charset:
        if name in NAMED:
            return Charset(*NAMED[name])
        near = []
        if len(name) < _LONGEST_NAME:
            near = difflib.get_close_matches(name, NAMED, n=1, cutoff=0.75)
        if near:
            raise InputError(
                f"charset '{name}' is no name of one; did you mean '{near[0]}'? To read these very "
                "characters, list them in another order"
            )
        return Charset(name, (name != name.lower()) != (name != name.upper()))

    @property
    def case(self) -> Literal["lower", "upper"] | None:
        """The case that all letters are read in; None where case is kept."""
        if not self.fold_case:
            return None
        return "lower" if self.characters == self.characters.lower() else "upper"

    @property
    def has_name(self) -> bool:
        """Whether it is one of `NAMED`, and not of letters that a user listed."""
        return any(self.characters == listed(characters) for characters, _ in NAMED.values())

    def folds(self, raw: bytes) -> bool:
        """Whether a UTF-8 label has letters that are read in the other case."""
        return self.fold_case and self.cased(text := raw.decode()) != text

    def cased(self, text: str) -> str:
        """A text in the case that all letters are read in; as it is where case is kept."""
        case = self.case
        if case != "lower":
            return text.upper() if case else text
        # Greek has a small sigma of its own for the end of a word, which the charset may lack.
        return text.lower() if "ς" in self.characters else "".join(map(str.lower, text))

    @property
    def eos(self) -> int:
        """Class of the end of a word."""
        return len(self.characters)

    @property
    def bos(self) -> int:
        """Embedding number that starts the decoder."""
        return len(self.characters) + 1

    @property
    def classes(self) -> int:
        """Number of classes that can be predicted: the characters and the end of a word."""
        return len(self.characters) + 1

    def clean(self, text: str) -> tuple[str, int]:
        """The readable part of ``text`` (case folded if the charset does so) and how many were removed."""
        text = self._spelled(text)
        if self._known.fullmatch(text):
            return text, 0
        return self._unknown.subn("", text)

    def _spelled(self, text: str) -> str:
        """A text in the charset's own characters where it has them, case folded if the charset does so."""
        text = composed(self.cased(text))
        for usual, own in self._own:
            text = text.replace(usual, own)
        return text if self._known.fullmatch(text) else "".join(map(self._parts, text))

    def _parts(self, character: str) -> str:
        """A character that the charset lacks as a letter and accents, where it has those; else itself."""
        parts = unicodedata.normalize("NFD", character)
        return parts if character not in self._numbers and set(parts) <= self._numbers.keys() else character

    def encode(self, text: str) -> list[int]:
        """Class numbers of a clean text, with the end of the word. ``InputError`` on unknown characters."""
        text = self._spelled(text)
        try:
            return [self._numbers[c] for c in text] + [self.eos]
        except KeyError as error:
            raise InputError(f"'{text}' holds {error.args[0]!r}, which is not in the charset") from None

    def encode_label(self, raw: bytes) -> Sequence[int]:
        """Class numbers of the readable part of a UTF-8 label, with the end of the word.

        The same as cleaning and encoding its text, in a tenth of the time for ASCII.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
        """
        if self._table is not None and raw.isascii():
            return raw.translate(self._table, self._removed) + bytes((self.eos,))
        return self.encode(self.clean(raw.decode())[0])

    def numbers(self, padding: int, unknown: int) -> list[int]:
        """Class numbers of the 256 bytes: ``END`` is the end of a word, ``PAD`` is ``padding``."""
        numbers = [unknown] * 256
        if self._table is not None:
            for byte in range(128):
                if byte not in self._removed:
                    numbers[byte] = self._table[byte]
        numbers[END[0]], numbers[PAD[0]] = self.eos, padding
        return numbers

    def count(self, raw: bytes) -> tuple[int, int]:
        """How many characters of a UTF-8 label can be read, and how many are removed."""
        if self._table is not None and raw.isascii():
            kept = len(raw.translate(None, self._removed))
            return kept, len(raw) - kept
        text, removed = self.clean(raw.decode())
        return len(text), removed

    def decode(self, ids: Iterable[int]) -> str:
        """Text of class numbers up to the end of the word."""
        return composed("".join(self.letters(ids)))

    def letters(self, ids: Iterable[int]) -> list[str]:
        """Characters of class numbers up to the end of the word, one for each: accents may stand alone."""
        out = []
        for number in ids:
            if not 0 <= number < self.eos:
                break
            out.append(self.characters[number])
        return out


@lru_cache(maxsize=16)
def _named(name: str) -> Charset:
    """One of thousands of characters takes a while to make, and is asked for often."""
    return Charset._made(name)
