"""`autostr measure`: how long each operation of a space takes on a device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from autostr_nni.cli.output import complain, remark, say, say_json
from autostr_nni.cli.parser import path, path_text
from autostr_nni.cli.table import table, thousands
from autostr_nni.latency.settings import PRECISIONS, RUNTIMES, Settings, machine_text
from autostr_nni.system.errors import InputError

_SLOWEST = 10  # blocks that are shown
_LONGEST = 10_000  # minutes


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "measure",
        help="time every operation of a search space on a device, for searches by latency",
        description="Time every operation of a space, at all its places, and check on whole nets that "
        "sums predict them. Killed, the same command goes on. Let the machine do nothing else meanwhile.",
    )
    parser.add_argument("table", metavar="FILE", type=path, help="the JSON file to write")
    parser.add_argument(
        "--recipe", metavar="FILE", type=path_text, help="the recipe whose space is measured (the paper's)"
    )
    parser.add_argument("--runtime", choices=RUNTIMES, default="torch-cpu", help="torch-cpu by default")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (1)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images of a pass (1)")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="on a GPU (float32)")
    parser.add_argument(
        "--minutes",
        type=float,
        default=8.0,
        metavar="M",
        help="time for the rounds, of which there are 3 at least (8)",
    )
    parser.add_argument("--json", action="store_true", help="print the table's head and its check as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, and print what was found; 1 where the table predicts whole nets too badly to be used."""
    settings = Settings(args.runtime, args.threads, args.batch, args.precision)
    settings.check()
    if not 0 <= args.minutes <= _LONGEST:
        raise InputError(f"--minutes: {args.minutes:g} must be from 0 to {_LONGEST}")
    from autostr_nni.latency.place import check_place
    from autostr_nni.search_spaces.latency import LARGEST_ERROR
    from autostr_nni.search_spaces.space import SearchSpace

    file: Path = args.table
    check_place(file)
    if args.recipe is None:
        space = SearchSpace()
    else:
        from autostr_nni.recipe import load_recipe

        space = load_recipe(args.recipe, counting=False).space()  # whose table may be this one
    from autostr_nni.latency.measure import measure

    content = measure(space, settings, file, args.minutes, remark)
    if args.json:
        say_json({key: value for key, value in content.items() if key != "blocks"}, indent=2)
    else:
        say(f"{as_text(content)}\n\n{file}")
    if not content["check"]["fit"]:
        complain(
            f"{file} is marked unfit: its median error is above {LARGEST_ERROR:.0%}; "
            "measure again on a machine that does nothing else"
        )
        return 1
    return 0


def as_text(content: dict[str, Any]) -> str:
    """The table for people: the slowest per MAC, and how well it predicts."""
    from autostr_nni.latency.prediction import DRIFT
    from autostr_nni.latency.slowest import block_speeds, operation_speeds
    from autostr_nni.search_spaces.latency import table_of

    measured = table_of(content)
    speeds = block_speeds(measured.blocks, measured.batch, content["space"]["projection_skip"])
    found = content["check"]
    count, seconds = thousands(len(measured.blocks)), f"{content['seconds']:.0f} s"
    constant, stem = f"{measured.constant_ns / 1e6:.3f} ms", f"{measured.stem_ns / 1e6:.3f} ms"
    head = [
        ("device", measured.device),
        ("machine", machine_text(content["machine"])),
        ("blocks", f"{count}, in {content['rounds']} rounds, {seconds}"),
        ("drift", f"{content['drift']:+.1%} between the first and the last third of the rounds"),
        (
            "check",
            f"{len(found['nets'])} other nets, drawn at random: median error {found['median_error']:.1%}, "
            f"largest {found['largest_error']:.1%}, Kendall's tau {found['kendall_tau']:.2f} (of their MACs "
            f"{found['kendall_tau_of_macs']:.2f})",
        ),
        ("constant", f"{constant} beside stem ({stem}) and blocks"),
    ]
    if abs(content["drift"]) > DRIFT:
        head.insert(4, ("", "warning: something else ran on the machine, or it grew warm: measure again"))
    rows = [("operation", "places", "ns per 1 000 MACs")]
    rows += [(s.operation, thousands(s.places), f"{s.ns_per_thousand:.1f}") for s in operation_speeds(speeds)]
    slow = [("slowest", "channels", "input", "stride", "ms", "MACs (M)", "ns per 1 000 MACs")]
    for speed in speeds[:_SLOWEST]:
        assert speed.block is not None
        op, cin, cout, h, w, (high, wide) = speed.block
        ms, macs = f"{speed.ns / 1e6:.3f}", f"{speed.macs / 1e6:.3f}"
        shape = (f"{cin} to {cout}", f"{h}x{w}", f"{high}x{wide}")
        slow.append((op, *shape, ms, macs, f"{speed.ns_per_thousand:.1f}"))
    return f"{table(head, '<<')}\n\n{table(rows, '<>>')}\n\n{table(slow, '<<>>>>>')}"
