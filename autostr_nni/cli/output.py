"""What the command prints: text of somebody else cannot steer the terminal, and errors are one sentence."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from autostr_nni.system.errors import escaped

#: JSON keeps these as they are.
_UNFIT = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def say(text: str) -> None:
    """Print lines of text; names, labels and the like within them are escaped."""
    print("\n".join(map(escaped, text.split("\n"))), flush=True)


def say_json(content: Any, indent: int | None = None) -> None:
    """Print JSON for programs, letters as they are where the output can have them all."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    text = json.dumps(content, indent=indent, ensure_ascii=encoding != "utf8")
    print(_UNFIT.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def complain(sentence: str) -> None:
    """Print an error as one line."""
    print(f"autostr: error: {escaped(sentence)}", file=sys.stderr)


def remark(sentence: str) -> None:
    """Print on stderr what is no error, such as which net of a search is meant."""
    print(escaped(sentence), file=sys.stderr)
