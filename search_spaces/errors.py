"""Errors that are told in one sentence: bad input, and a training that failed."""


class InputError(Exception):
    """Bad input. The message is one sentence that names the file, key or label and how to mend it."""


def shown(value: object, most: int = 60) -> str:
    """A value within a sentence: in quotes where it is text, and not longer than `most` characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


class TrainingFailed(RuntimeError):
    """A training that ended without a result. The message is one sentence that says what to try."""
