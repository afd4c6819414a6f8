"""Train what the table still lacks. Run it again after any stop: it goes on.

    python -m benchmarks.net_table [--processes 2] [--nets 10] [--out FILE]

About a minute a net and core.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from autostr_nni.data.sets.prepare import prepare_data
from autostr_nni.search_spaces.architecture import Architecture
from benchmarks.net_table import nets, rows, training


def missing(file: Path) -> Iterator[nets.Entry]:
    """What is not in the file yet; the neighbours of the best random net once all others are there."""
    space = training.recipe().space()
    known = {rows.key(row) for row in rows.load(file)}
    left = [entry for entry in nets.entries(space) if entry.key not in known]
    if not left:
        drawn = [row for row in rows.load(file) if row["group"] == "random" and row["seed"] == 0]
        best = max(drawn, key=lambda row: row["curve"][-1]["word_accuracy"])
        around = nets.neighbours(space, Architecture.parse(best["architecture"], space))
        left = [entry for entry in around if entry.key not in known]
    yield from left


def main() -> int:
    """Train and add row after row."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.net_table", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--processes", type=int, default=2, help="nets at a time, one thread each (2)")
    parser.add_argument("--nets", type=int, help="train so many, then stop")
    parser.add_argument("--out", type=Path, default=rows.TABLE, help="the file of rows (table.jsonl)")
    args = parser.parse_args()
    prepare_data(training.recipe(), processes=args.processes)
    while entries := list(islice(missing(args.out), args.nets)):
        with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
            for row in pool.imap_unordered(training.row, entries):
                rows.append(row, args.out)
                last = row["curve"][-1]
                print(
                    f"{rows.key(row)}  {100 * last['word_accuracy']:.1f} %  {row['seconds']:.0f} s",
                    flush=True,
                )
        if args.nets is not None:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
