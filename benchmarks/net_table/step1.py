"""How step 1 ranks nets: the stride path of each random net, trained with one operation in all layers.

    python -m benchmarks.net_table.step1 [--nets 80] [--processes 2]

Adds to step1.jsonl what is missing, then prints Kendall's tau of these losses, after a ninth and a sixth of
a net's budget, with the final accuracy of the nets themselves. About eleven seconds a path and core.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path
from typing import Any

from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.search_spaces.architecture import Architecture
from benchmarks.net_table import nets, rows, training
from benchmarks.net_table.analysis import SHARES, tau

FILE = Path(__file__).with_name("step1.jsonl")
IMAGES = training.POINTS[1]


def default_net(architecture: Architecture) -> Architecture:
    """The same path with the operation that the recipe's step 1 gives every layer."""
    options = training.recipe()
    return options.space().default_architecture(architecture.path, options.search.path.default_operation)


def train(net: Architecture) -> dict[str, Any]:
    """A net's row, after a sixth of the images, with seed 0."""
    return training.train(net, 0, IMAGES)


def main() -> int:
    """Train, then tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.net_table.step1")
    parser.add_argument("--nets", type=int, default=nets.RANDOM, help="paths of the first so many nets (all)")
    parser.add_argument("--processes", type=int, default=2, help="paths at a time, one thread each (2)")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    options = training.recipe()
    prepare_data(options, processes=args.processes)
    drawn = nets.random_nets(options.space())[: args.nets]
    known = {row["architecture"] for row in rows.load(args.out)}
    wanted = {net.text: net for net in map(default_net, drawn)}
    left = [net for text, net in wanted.items() if text not in known]
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        for row in pool.imap_unordered(train, left):
            rows.append(row, args.out)
    found = {row["architecture"]: row["curve"] for row in rows.load(args.out)}
    trained = {row["architecture"]: row for row in rows.load() if row["seed"] == 0}
    judged = [
        {**trained[net.text], "step1": found[default_net(net).text]} for net in drawn if net.text in trained
    ]
    for place, share in enumerate(SHARES[:2]):
        found_tau, low, high = tau(judged, lambda row, place=place: -row["step1"][place]["loss"])
        print(f"step 1's loss at {share}, {len(judged)} nets: tau {found_tau:.2f} ({low:.2f} to {high:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
