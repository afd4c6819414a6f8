"""Description of a rendered set. Light: no imaging, no wordfreq."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from autostr_nni.data.charset import Charset
from autostr_nni.system.errors import InputError

STYLE_NAMES = ("mild", "scene")
SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class SynthSpec:
    """All that decides what a rendered set holds; the number of processes does not.

    ``source`` is "english", "digits:MIN-MAX" or the path of a word list. ``split`` takes only the words of
    one of train, validation, test (80, 10, 10 % of all words): sets of different splits share no word.
    A text has as many of them, with blanks between, as ``words`` says: at least and at most.
    ``exclude`` names word lists or sets whose words are not used. ``height`` is that of an ordinary
    picture in pixels. ``fonts`` and ``backgrounds`` are folders used beside the system's fonts and the
    drawn backgrounds; without ``system_fonts`` and ``fonts``, matplotlib's fonts are used.
    """

    count: int
    seed: int = 0
    split: str | None = None
    source: str = "english"
    style: str = "scene"
    charset: str = "printable"
    min_length: int = 1
    max_length: int = 25
    words: tuple[int, int] = (1, 1)
    height: int = 40
    exclude: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()
    system_fonts: bool = True
    backgrounds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("exclude", "fonts", "backgrounds"):
            value = getattr(self, name)
            value = () if value is None else (value,) if isinstance(value, str) else value
            object.__setattr__(self, name, tuple(map(str, value)))
        if self.count < 1:
            raise InputError(f"count must be 1 or more, not {self.count}")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more, not {self.seed}")
        if self.style not in STYLE_NAMES:
            raise InputError(f"unknown style '{self.style}': choose one of {', '.join(STYLE_NAMES)}")
        if self.split is not None and self.split not in SPLIT_NAMES:
            raise InputError(f"unknown split '{self.split}': choose one of {', '.join(SPLIT_NAMES)}")
        if not 1 <= self.min_length <= self.max_length:
            raise InputError(f"lengths from {self.min_length} to {self.max_length} leave no word")
        object.__setattr__(self, "words", tuple(self.words))
        if not 1 <= self.words[0] <= self.words[1]:
            raise InputError(f"words must be 1 or more and rise, not {list(self.words)}")
        if self.words[1] > 1 and " " not in Charset.named(self.charset).characters:
            low, high = self.words
            raise InputError(
                f"texts of {low} to {high} words need the blank: list it among the charset's characters"
            )
        if not 8 <= self.height <= 512:
            raise InputError(f"height must be 8 to 512 pixels, not {self.height}")
        Charset.named(self.charset)
        self.digits()

    def digits(self) -> tuple[int, int] | None:
        """Shortest and longest number of a digits source; None for other sources."""
        if not self.source.startswith("digits:"):
            return None
        low, _, high = self.source.removeprefix("digits:").partition("-")
        if not (low.isdecimal() and (high or low).isdecimal() and 1 <= int(low) <= int(high or low)):
            raise InputError(f"'{self.source}' is not a range of lengths: write for instance digits:1-3")
        return int(low), int(high or low)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SynthSpec:
        """The inverse of ``to_dict``; ``InputError`` names unknown keys."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"unknown key '{min(unknown)}' in the description of a rendered set")
        return cls(**values)
