"""The command `autostr`: subcommands, and errors as one sentence each.

Starts light: a subcommand's module imports what is heavy when it runs.
Exit status: 0 success, 1 a fault, 2 wrong input, 130 interrupted, 141 the reader of the output went away.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from autostr_nni import __version__
from autostr_nni.cli import completion
from autostr_nni.cli.commands import (
    data,
    describe,
    evaluate,
    export,
    measure,
    read,
    report,
    resume,
    search,
    space,
    train,
    view,
)
from autostr_nni.cli.commands import list as listing
from autostr_nni.cli.output import complain
from autostr_nni.cli.parser import Parser, help_of, path_text
from autostr_nni.system.errors import InputError, TrainingFailed
from autostr_nni.system.extensions import load_all
from autostr_nni.system.installing import how_to_install
from autostr_nni.system.threads import wait_asleep

# In the order of `autostr --help`. Each has `add_parser(subparsers)`, which sets `run`, a function of the
# parsed arguments that returns the exit status.
COMMANDS: tuple[Any, ...] = (
    search,
    resume,
    listing,
    view,
    report,
    train,
    evaluate,
    read,
    export,
    space,
    describe,
    measure,
    data,
    completion,
)

INTERRUPTED, BROKEN_PIPE = 130, 141
#: What is wrong with a file of the user's, wherever it is met: a name that is too long, or no right to it.
_OF_FILES = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS}


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="autostr",
        description="Search backbones for scene text recognition, train them and read words with them.",
        epilog="`autostr COMMAND --help` tells more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"autostr {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    parser.add_argument(
        "--extensions",
        action="append",
        default=[],
        type=path_text,
        metavar="FILE",
        help="run a module of your own first, with operations and strategies; may be given several times",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(subparsers)
    _accept_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments  # known even where parsing fails
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # words may have what the terminal lacks
    wait_asleep()
    try:
        parser = build_parser()
        if help := help_of(parser, arguments):
            print(help, end="")
            return 0
        args = parser.parse_args(arguments)
        load_all(args.extensions)
        status: int | None = args.run(args)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:
        # Whatever is still buffered has no reader: without this the interpreter complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        return _complain(error)


def _complain(error: BaseException) -> int:
    """Tell an error in one sentence; the exit status."""
    if isinstance(error, InputError):
        sentence, status = str(error), 2
    elif isinstance(error, TrainingFailed):
        sentence, status = str(error), 1
    elif isinstance(error, ModuleNotFoundError) and error.name:
        module = error.name.partition(".")[0]
        sentence, status = f"{module} is not installed; install it with: {how_to_install(module)}", 1
    elif isinstance(error, KeyboardInterrupt):
        sentence, status = "interrupted", INTERRUPTED
    elif isinstance(error, OSError) and error.errno in _OF_FILES and error.filename:
        sentence, status = f"{error.filename}: {error.strerror}; name another place", 2
    else:
        message = " ".join(str(error).split())
        name = type(error).__name__
        sentence, status = f"{name}{': ' if message else ''}{message} (--debug shows where)", 1
    complain(sentence)
    return status


def _accept_debug(parser: argparse.ArgumentParser) -> None:
    """Let `--debug` stand after a subcommand too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                sub.add_argument(
                    "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
                )
                _accept_debug(sub)


if __name__ == "__main__":
    sys.exit(main())
