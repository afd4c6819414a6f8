"""A charset from a file: its characters one a line, or as a text. Light."""

from __future__ import annotations

from pathlib import Path

from autostr_nni.system.characters import composed, controls
from autostr_nni.system.errors import InputError
from autostr_nni.system.text_files import read_text


def read_charset(path: Path | str) -> str:
    """The characters of a UTF-8 file, in their order: one a line, or many in a line.

    The ends of lines are no characters, and neither are empty lines. A blank is one where it is listed.

    Raises:
        InputError: which line lists a character again, or one that is no part of a word; or the file cannot
            be read or lists nothing.
    """
    found: dict[str, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        for character in composed(line.removesuffix("\r")):
            if controls(character):
                raise InputError(
                    f"{path}:{number}: holds {character!r}, which is no character of a word; remove it"
                )
            if character in found:
                before = "this line" if found[character] == number else f"line {found[character]}"
                raise InputError(f"{path}:{number}: lists {character!r} again, after {before}; list it once")
            found[character] = number
    if not found:
        raise InputError(f"{path}: lists no character; write one a line")
    return "".join(found)
