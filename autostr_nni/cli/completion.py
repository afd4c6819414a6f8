"""`autostr completion`: the script by which a shell completes commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

FILES = ("CONFIG", "FILE", "NET", "CKPT", "IMAGE", "LIST", "ARCH")  # metavars of arguments that are files
FOLDERS = ("DIR", "LMDB", "SET", "OUT", "SEARCH")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "completion",
        help="print the script that makes a shell complete this command",
        description="Print a script for the shell, which then completes commands, options and files without "
        "starting Python. Once, for bash: autostr completion bash > "
        "~/.local/share/bash-completion/completions/autostr",
    )
    parser.add_argument("shell", choices=("bash", "zsh"), help="bash or zsh")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from autostr_nni.cli.main import build_parser

    parser = build_parser()
    mark_files(parser, shtab.FILE, shtab.DIRECTORY)
    print(shtab.complete(parser, args.shell))
    return 0


def mark_files(parser: argparse.ArgumentParser, file: Any, folder: Any) -> None:
    """Say of each argument whether it is a file or a folder, in all subcommands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                mark_files(inner, file, folder)
        elif action.metavar in FILES or action.metavar in FOLDERS:
            action.complete = file if action.metavar in FILES else folder  # type: ignore[attr-defined]
