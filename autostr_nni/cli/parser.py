"""The command's parser: help where nothing is asked for, the nearest name for a wrong one, `~` in paths."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from autostr_nni.system.errors import escaped


def path_text(text: str) -> str:
    """The type of every argument that may be a path: `~` is the home folder, also in `--out=~/net`."""
    return os.path.expanduser(text)


def path(text: str) -> Path:
    """The same as a Path."""
    return Path(path_text(text))


class Parser(argparse.ArgumentParser):
    """argparse's, with the nearest command or option in the sentence about an unknown one."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:  # told by the subcommand, which knows its options and has the usage to show
            options = [text for text in self._option_string_actions if text.startswith("--")]
            wrong = next((text for text in unknown if text.startswith("-")), "")
            near = get_close_matches(wrong.partition("=")[0], options, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return known, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices and isinstance(value, str):
            near = get_close_matches(value, [str(choice) for choice in action.choices], n=1)
            if near:
                raise argparse.ArgumentError(action, f"there is no {value!r}; did you mean {near[0]}?")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        super().error(escaped(message))


def help_of(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> str | None:
    """The help to show where the words name no command to run: `autostr`, `autostr data`; else None."""
    chosen = parser
    for word in (*arguments, None):
        inner = next((a for a in chosen._actions if isinstance(a, argparse._SubParsersAction)), None)
        if inner is None or not inner.required:
            return None
        if word is None:
            return chosen.format_help()
        if word == "--debug":
            continue
        if word not in inner.choices:
            return None
        chosen = inner.choices[word]
    return None
