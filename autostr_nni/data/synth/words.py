"""What rendered words say: English by frequency, a lexicon, or numbers; split so that sets share no word."""

from __future__ import annotations

import hashlib
import os
import random
import re
import unicodedata
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from itertools import accumulate

from autostr_nni.data.charset import Charset
from autostr_nni.system.characters import composed
from autostr_nni.system.errors import InputError, shown
from autostr_nni.system.text_files import read_text

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
    if text.isascii():
        return re.sub(r"[^0-9a-z]", "", text.lower()) or text
    lower = composed(text.lower())
    return "".join(c for c in lower if c.isalnum() or unicodedata.category(c).startswith("M")) or lower


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
        word, _, weight = composed(line.strip()).partition("\t")
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
    """Draws texts that fit a charset, a length, a split, that can be drawn and that are not excluded.

    ``undrawn`` says why a text cannot be drawn ("": it can). ``left_out`` counts the words that do not fit,
    by cause. ``numbers`` and ``signs`` are the shares of digit strings and of words with punctuation among
    English words; a lexicon is drawn as it stands, save for its case when ``vary_case`` is set.
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
        undrawn: Callable[[str], str] = lambda text: "",
    ) -> None:
        self.charset, self.lengths, self.split = charset, lengths, split
        self.exclude = {fold_word(word) for word in exclude}
        self.vary_case, self.numbers, self.signs, self.digits = vary_case, numbers, signs, digits
        self.name, self.undrawn = name, undrawn
        self.as_listed = (
            not self.charset.has_name
        )  # a user's letters are drawn in the case they are listed in
        self.left_out: Counter[str] = Counter()
        kept = []
        for word, weight in words or ():
            if cause := self._never(word):
                self.left_out[cause] += 1
            else:
                kept.append((word, weight))
        if words is not None and not kept:
            causes = ", ".join(f"{count} {cause}" for cause, count in self.left_out.most_common())
            raise InputError(f"no word of {name} fits: {causes or 'there is none'}; give others")
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
        return not self._cause(text)

    def _cause(self, text: str) -> str:
        """Why a text may not be rendered; "" if it may."""
        if not self.lengths[0] <= len(text) <= self.lengths[1]:
            return "too short or too long"
        if (self.as_listed and self.charset.folds(text.encode())) or self.charset.clean(text)[1]:
            return "with characters that the charset lacks"
        if not in_split(text, self.split):
            return "of another split"
        if fold_word(text) in self.exclude:
            return "excluded"
        return self.undrawn(text)

    def _never(self, word: str) -> str:
        """Why a word is never drawn, in no case; "" if it may be."""
        cause = self._cause(word)
        if cause and self.vary_case and any(map(self.fits, (word.upper(), word.lower()))):
            return ""
        return cause

    def lacks(self) -> str:
        """The charset's characters beyond ASCII that are in none of the words."""
        found = {c for word in self._words for c in word + word.upper() + word.lower()}
        return "".join(c for c in self.charset.characters if not c.isascii() and composed(c) not in found)

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


def draw_text(
    source: WordSource, rng: random.Random, words: tuple[int, int], lengths: tuple[int, int]
) -> str:
    """A text of so many words with blanks between; a single one is drawn as `WordSource.draw` does.

    Raises:
        InputError: the limits leave hardly any.
    """
    if words == (1, 1):
        return source.draw(rng)
    for _ in range(_ATTEMPTS):
        text = " ".join(source.draw(rng) for _ in range(rng.randint(*words)))
        drawn = lengths[0] <= len(text) <= lengths[1] and not source.undrawn(text)
        if drawn and fold_word(text) not in source.exclude:
            return text
    raise InputError(
        f"no text of {words[0]} to {words[1]} words of {source.name} fits: check lengths, fonts and excluded "
        "texts"
    )


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
