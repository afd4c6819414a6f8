"""The `data` section: which words are trained on, choose, and are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from autostr_nni.recipe.base import Count, Folder, Length, Section, absolute
from autostr_nni.recipe.words.charset_file import read_charset
from autostr_nni.recipe.words.sources import Sources, WordSource
from autostr_nni.system.characters import controls, listed
from autostr_nni.system.errors import InputError

PathList = Annotated[tuple[Folder, ...], Field(strict=False)]
MOST_CHARACTERS = 30_000
BOTH_CASES, ONE_CASE = ("printable", "alphanumeric", "latin"), ("lowercase", "digits")
LONGEST_NAME = 30  # characters of what may be a name misspelt
CHARSETS = (*BOTH_CASES, *ONE_CASE)


def _of_file(value: Any, info: ValidationInfo) -> Any:
    """The characters of `{file: …}` themselves: they stay when the file is moved or changed."""
    if not isinstance(value, dict):
        return value
    if list(value) != ["file"] or not isinstance(value["file"], str) or not value["file"].strip():
        raise ValueError("must be a name, the characters themselves, or {file: PATH} of a list of them")
    try:
        return read_charset(absolute(Path(value["file"]), info))
    except InputError as error:
        raise ValueError(f"file {error}") from None


def _charset(value: str) -> str:
    """A named charset, or a text of distinct characters that is not a name misspelt."""
    if value in CHARSETS:
        return value
    if len(value) > MOST_CHARACTERS:
        raise ValueError(f"has {len(value)} characters, at most {MOST_CHARACTERS} can be read")
    near = get_close_matches(value, CHARSETS, n=1, cutoff=0.75) if len(value) < LONGEST_NAME else []
    if near:
        raise ValueError(
            f"must be {', '.join(CHARSETS)} or the characters themselves; nearest is {near[0]!r}"
        )
    if not value:
        raise ValueError(f"must not be empty; name one of {', '.join(CHARSETS)}")
    value = listed(value)
    if found := controls(value):
        raise ValueError(
            f"holds {found[0]!r}, which is no character of a word; write the characters between quotes"
        )
    twice = sorted(c for c, count in Counter(value).items() if count > 1)
    if twice:
        raise ValueError(f"has characters more than once: {' '.join(map(repr, twice))}")
    return value


#: What the row of all test words together is called.
POOLED = "all"


def named_sets(value: Any) -> Any:
    """Make a list of folders into a mapping; each is named by its folder, with parents where needed."""
    if value is None:
        return {}
    if not isinstance(value, list | tuple):
        return _without_pooled(value)
    named: dict[str, Any] = {}
    for item in value:
        entry = item if isinstance(item, dict) else {"set": item}
        parts, only = Path(str(entry.get("set"))).parts, entry.get("filter")
        tail = f" {only}" if only else ""
        names = ("/".join(parts[-depth:]) + tail for depth in range(1, len(parts) + 1))
        name = next((n for n in names if n not in named), None)
        if name is None:
            raise ValueError(f"names {str(item)!r} twice")
        named[name] = item
    return _without_pooled(named)


def _without_pooled(sets: Any) -> Any:
    if isinstance(sets, Mapping) and POOLED in sets:
        raise ValueError(
            f"names a set {POOLED}, as the figures of all test words together are called; give it another "
            f"name, such as {{words: folder/{POOLED}}}"
        )
    return sets


class SynthSet(Section):
    """One set of words to be rendered: how many, which words and how they look.

    Sets of different `split` share no word. The charset is the recipe's.
    """

    count: Count
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = (
        None  # null: the recipe's seed plus the set's place in the list
    )
    split: Literal["train", "validation", "test"] | None = None  # 80, 10, 10 % of the words; null: all
    source: Literal["words", "digits"] = "words"
    lexicon: Folder | None = None  # a file of words, one a line; null: English words by frequency
    digits: Annotated[tuple[Length, Length], Field(strict=False)] = (1, 3)  # shortest and longest number
    min_length: Length = 1
    max_length: Length | None = None  # null: data.max_length
    words: Annotated[tuple[Count, Count], Field(strict=False)] = (1, 1)  # fewest and most of a text: lines
    style: Literal["mild", "scene"] = "scene"
    height: Annotated[int, Field(ge=8, le=512)] = 40  # of the tallest image, in pixels
    exclude: PathList = ()  # word lists or sets whose words are not used
    fonts: PathList = ()  # folders of fonts, beside the system's
    system_fonts: bool = True  # false: those of fonts alone or, without any, those that matplotlib brings
    backgrounds: PathList = ()  # folders of images to write on, beside the drawn backgrounds

    @model_validator(mode="after")
    def _check(self) -> SynthSet:
        if self.digits[0] > self.digits[1]:
            raise ValueError(f"digits must rise, not {list(self.digits)}")
        if self.words[0] > self.words[1]:
            raise ValueError(f"words must rise, not {list(self.words)}")
        if self.max_length is not None and self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is above max_length {self.max_length}")
        if self.source == "digits" and self.lexicon is not None:
            raise ValueError("lexicon goes with source: words, not with source: digits")
        return self


class ValidationOfSection(Section):
    """Sets that take the place of `validation` for one purpose, so that no figure is judged by words that
    another choice was made by."""

    ranking: Sources | None = None  # step 1: the ranking of paths
    alpha: Sources | None = None  # step 2: the architecture parameters are learnt on them
    epochs: Sources | None = None  # trained nets: the choice of the epoch and of the best net


class TargetSection(Section):
    """Which of `data.targets` the recipe is for (`recipe.words.targets`)."""

    name: str
    elsewhere: dict[str, WordSource] = Field(default_factory=dict)  # test sets of the other targets


class DataSection(Section):
    """Where the words lie (LMDB folders, searched recursively), how they are mixed, and how labels are read.

    `train` is D_tra of the paper and `validation` D_val; `test` sets are reported and choose nothing.
    """

    train: Sources
    validation: Sources
    validation_of: ValidationOfSection = ValidationOfSection()
    test: Annotated[dict[str, WordSource], BeforeValidator(named_sets)] = Field(default_factory=dict)
    target: TargetSection | None = None  # null: the recipe has no targets
    charset: Annotated[str, BeforeValidator(_of_file), AfterValidator(_charset)] = "printable"
    max_length: Length = 25  # characters; longer words are left out
    validation_limit: Count | None = None  # use at most so many validation words, drawn by the seed
    workers: Annotated[int, Field(ge=0, le=256)] = 1  # loader processes; 0 loads in the training process
    synth: dict[Folder, SynthSet] = Field(default_factory=dict)  # set folder: words to be rendered into it

    @model_validator(mode="before")
    @classmethod
    def _of_older_versions(cls, value: Any) -> Any:
        """Pass over `keep_decoded_mb`: it set aside memory for decoded words, and changed no result."""
        if isinstance(value, dict):
            return {key: kept for key, kept in value.items() if key != "keep_decoded_mb"}
        return value

    @field_validator("test")
    @classmethod
    def _read_whole(cls, value: dict[str, WordSource]) -> dict[str, WordSource]:
        for name, source in value.items():
            if source.weight is not None:
                raise ValueError(f"gives {name} a weight, but test sets are read whole; leave it out")
        return value

    @property
    def elsewhere(self) -> dict[str, WordSource]:
        """Test sets of other targets, on which a net is told too."""
        return {} if self.target is None else self.target.elsewhere

    def validation_for(self, purpose: Literal["ranking", "alpha", "epochs"]) -> tuple[WordSource, ...]:
        """The validation sets for a purpose of `validation_of`."""
        own: tuple[WordSource, ...] | None = getattr(self.validation_of, purpose)
        return self.validation if own is None else own

    @field_validator("synth", mode="before")
    @classmethod
    def _no_synth(cls, value: Any) -> Any:
        return {} if value is None else value

    def synth_specs(self, seed: int) -> dict[Path, dict[str, Any]]:
        """What to render into which folder, as `data.synth.spec.SynthSpec.from_dict` takes it.

        `seed` is the recipe's, for sets without their own.
        """
        specs: dict[Path, dict[str, Any]] = {}
        for place, (folder, words) in enumerate(self.synth.items()):
            spec = words.model_dump(mode="json", exclude={"lexicon", "digits"})
            spec["seed"] = seed + place if words.seed is None else words.seed
            spec["max_length"] = words.max_length or self.max_length
            spec["charset"] = self.charset
            spec["source"] = "english" if words.lexicon is None else str(words.lexicon)
            if words.source == "digits":
                spec["source"] = f"digits:{words.digits[0]}-{words.digits[1]}"
            specs[folder] = spec
        return specs
