"""Errors told in one sentence: bad input, and a training that failed; and text that is fit for a terminal."""

import re

#: Control characters, line and paragraph separators, and what turns the direction of writing.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class InputError(Exception):
    """Bad input. The message is one sentence that names the file, key or label and how to mend it."""


def shown(value: object, most: int = 60) -> str:
    """A value within a sentence: in quotes where it is text, and not longer than `most` characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(text: str) -> str:
    """Text of somebody else, such as a label or a file's name, as one line that cannot steer a terminal.

    What is unfit is written as in Python, `\\x1b` for an escape; all letters stay as they are.
    """
    return _UNFIT.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


class TrainingFailed(RuntimeError):
    """A training that ended without a result. The message is one sentence that says what to try."""
