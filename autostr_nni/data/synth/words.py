"""What rendered words say: English by frequency, a lexicon, or numbers; split so that sets share no word."""

from __future__ import annotations

import hashlib
import os
import random
import re
from bisect import bisect
from collections.abc import Callable, Collection, Iterable
from itertools import accumulate

from autostr_nni.data.charset import Charset
from autostr_nni.search_spaces.errors import InputError, shown
from autostr_nni.search_spaces.text_files import read_text

#: Parts of all words, by split name: each word lies in exactly one.
SPLITS: dict[str, tuple[float, float]] = {
    "train": (0.0, 0.8),
    "validation": (0.8, 0.9),
    "test": (0.9, 1.0),
}
_ENGLISH_WORDS = 60_000
_ATTEMPTS = 2000
_MOST_BYTES = 256 << 20  # of a word list
#: How much rarer each letter beyond the fourth makes an English word.
_LONGER = 0.82


def fold_word(text: str) -> str:
    """What two words must share to be one: lower-case letters and digits, or the text if it has none."""
    return re.sub(r"[^0-9a-z]", "", text.lower()) or text


def place_of(text: str) -> float:
    """A number from 0 to below 1 that depends on the folded word alone, the same everywhere and always."""
    digest = hashlib.sha256(fold_word(text).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def in_split(text: str, split: str | None) -> bool:
    """Whether a word belongs to a split of ``SPLITS``; all belong to None."""
    if split is None:
        return True
    low, high = SPLITS[split]
    return low <= place_of(text) < high


def read_words(path: str | os.PathLike[str]) -> list[tuple[str, float]]:
    """Words with weights from a text file: one a line, a weight after a tab if wanted (else 1)."""
    words = []
    try:
        lines = read_text(path, most=_MOST_BYTES).splitlines()
    except InputError as error:
        raise InputError(f"the word list {error}") from None
    for number, line in enumerate(lines, start=1):
        word, _, weight = line.strip().partition("\t")
        if word:
            try:
                value = float(weight) if weight else 1.0
            except ValueError:
                value = 0.0
            if not 0 < value < float("inf"):
                raise InputError(f"{path}, line {number}: the weight {shown(weight)} is not a number above 0")
            words.append((word, value))
    return words


def english() -> list[tuple[str, float]]:
    """Frequent English words with weights: half by the root of frequency, half all alike, long ones less."""
    from wordfreq import get_frequency_dict

    # Single letters are mostly noise of the counting: "a" and "i" alone are words.
    frequencies = {
        word: frequency
        for word, frequency in get_frequency_dict("en").items()
        if word.isascii() and word.isalpha() and (len(word) > 1 or word in "ai")
    }
    words = sorted(frequencies, key=lambda word: (-frequencies[word], word))[:_ENGLISH_WORDS]
    roots = [frequencies[word] ** 0.5 for word in words]
    total = sum(roots)
    # Words on signs are shorter than words in print, by one to two letters on average.
    street = [_LONGER ** max(len(word) - 4, 0) for word in words]
    return [
        (word, (root / total + 1 / len(words)) * factor)
        for word, root, factor in zip(words, roots, street, strict=True)
    ]


class WordSource:
    """Draws texts that fit a charset, a length, a split and that are not excluded.

    ``numbers`` and ``signs`` are the shares of digit strings and of words with punctuation among English
    words; a lexicon is drawn as it stands, save for its case when ``vary_case`` is set.
    """

    def __init__(
        self,
        words: Iterable[tuple[str, float]] | None,
        *,
        digits: tuple[int, int] | None = None,
        charset: Charset,
        lengths: tuple[int, int] = (1, 25),
        split: str | None = None,
        exclude: Collection[str] = (),
        vary_case: bool = True,
        numbers: float = 0.0,
        signs: float = 0.0,
        name: str = "the words",
    ) -> None:
        self.charset, self.lengths, self.split = charset, lengths, split
        self.exclude = {fold_word(word) for word in exclude}
        self.vary_case, self.numbers, self.signs, self.digits = vary_case, numbers, signs, digits
        self.name = name
        kept = [] if words is None else [pair for pair in words if self._possible(pair[0])]
        if words is not None and not kept:
            raise InputError(f"no word of {name} fits: check charset, lengths, split and excluded words")
        self._words = [word for word, _ in kept]
        self._weights = list(accumulate(weight for _, weight in kept))

    def draw(self, rng: random.Random) -> str:
        """One text. ``InputError`` if the limits leave hardly any."""
        for _ in range(_ATTEMPTS):
            text = self._draw(rng)
            if self.fits(text):
                return text
        raise InputError(f"no text of {self.name} fits: check charset, lengths, split and excluded words")

    def fits(self, text: str) -> bool:
        """Whether a text may be rendered."""
        return (
            self.lengths[0] <= len(text) <= self.lengths[1]
            and not self.charset.clean(text)[1]
            and in_split(text, self.split)
            and fold_word(text) not in self.exclude
        )

    def _possible(self, word: str) -> bool:
        return self.fits(word) or (self.vary_case and any(map(self.fits, (word.upper(), word.lower()))))

    def _draw(self, rng: random.Random) -> str:
        if self.digits is not None:
            length = rng.randint(*self.digits)
            return "".join(rng.choices("0123456789", k=length))
        kind = rng.random()
        if kind < self.numbers:
            return _number(rng)
        word = self._words[bisect(self._weights, rng.random() * self._weights[-1])]
        if self.vary_case:
            word = _cased(word, rng)
        return _signed(word, rng) if kind > 1 - self.signs else word


def _cased(word: str, rng: random.Random) -> str:
    """Capitals are commoner in the street than in print."""
    pick = rng.random()
    if pick < 0.48:
        return word.upper()
    if pick < 0.73:
        return word.capitalize()
    return word if word != word.lower() and rng.random() < 0.5 else word.lower()


def _number(rng: random.Random) -> str:
    """Digits as they stand in the street: years, prices, hours, codes."""
    kinds: list[Callable[[], str]] = [
        lambda: str(rng.randint(0, 9999)),
        lambda: "".join(rng.choices("0123456789", k=rng.randint(1, 8))),
        lambda: str(rng.randint(1900, 2035)),
        lambda: "".join(rng.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.randint(2, 7))),
        lambda: rng.choice(["$", "", "", "#", "+"]) + f"{rng.randint(0, 999)}.{rng.randint(0, 99):02}",
        lambda: f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}",
        lambda: f"{rng.randint(0, 100)}%",
        lambda: f"{rng.randint(0, 999)}-{rng.randint(0, 9999)}",
        lambda: (
            f"{rng.randint(1, 200)}{rng.choice(['st', 'nd', 'rd', 'th', 'A', 'B', 'm', 'km', 'kg', 'TH'])}"
        ),
    ]
    return rng.choices(kinds, weights=[6, 6, 3, 4, 2, 1, 1, 1, 2])[0]()


def _signed(word: str, rng: random.Random) -> str:
    """A word with punctuation, mostly after it, now and then any character at all."""
    pick = rng.random()
    if pick < 0.55:
        return word + rng.choice([".", ",", ".", ",", "!", "?", ":", ";", "...", "'s", "-", "*", "'S"])
    if pick < 0.75:
        pair = rng.choice(["()", '""', "''", "[]", "<>", "{}", "--", "**", "//"])
        return pair[0] + word + pair[1]
    if pick < 0.85:
        return rng.choice(["@", "#", "&", "-", "*", "$", "(", '"', "~", "/"]) + word
    place = rng.randint(0, len(word))
    return word[:place] + rng.choice("-&'./_+|=%^`~\\@:") + word[place:]
