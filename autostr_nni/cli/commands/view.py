"""`autostr view`: NNI's page of a search that has ended, on this machine only."""

from __future__ import annotations

import argparse
from typing import Any

from autostr_nni.cli.commands.search import add_host_options, report_command
from autostr_nni.cli.output import complain, say
from autostr_nni.cli.parser import path_text
from autostr_nni.system.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "view",
        help="show NNI's page of a search that has ended",
        description="Show NNI's page of a search that has ended, until Ctrl-C. Nothing is run.",
    )
    parser.add_argument(
        "search", metavar="ID_OR_DIR", type=path_text, help="id of an NNI experiment, or its folder"
    )
    add_host_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the page; status 1 where it does not start."""
    from autostr_nni.nni.manager.running import SearchError
    from autostr_nni.nni.view import view
    from autostr_nni.report.reading.locate import find_search
    from autostr_nni.runs.layout import DATABASE

    folder = find_search(args.search)
    if not (folder / DATABASE).is_file():
        raise InputError(
            f"{args.search}: is a search without NNI, which has no page; look at its report: "
            f"{report_command(folder)}"
        )
    try:
        view(folder, args.port, args.host, say)
    except SearchError as error:
        complain(str(error))
        return 1
    return 0
