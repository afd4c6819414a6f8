"""The one exception that means: the input is at fault, and the message says how to mend it."""


class InputError(Exception):
    """Bad input. The message is one sentence that names the file, key or label and how to mend it."""
