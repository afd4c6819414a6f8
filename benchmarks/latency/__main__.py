"""Measures the paper's space, or a recipe's, twice by each runtime, and compares tables and checks.

    python -m benchmarks.latency [--out FOLDER] [--minutes M] [--only torch-cpu-1 …] [--recipe FILE]

Run from the repository's root on a machine that does nothing else: ten minutes a table, all second tables
after all first ones. What is there already in FOLDER (runs/latency) is not measured again, and a killed run
goes on.
Prints rows of a Markdown table, and each net of the checks into FOLDER/nets.tsv.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from autostr_nni.system.threads import usable_cores

KINDS = {
    "torch-cpu-1": ["--runtime", "torch-cpu", "--threads", "1"],
    "torch-cpu-2": ["--runtime", "torch-cpu", "--threads", "2"],
    "onnxruntime-cpu-1": ["--runtime", "onnxruntime-cpu", "--threads", "1"],
    "onnxruntime-cpu-2": ["--runtime", "onnxruntime-cpu", "--threads", "2"],
}


def main() -> int:
    """Measure what is missing, and print the table; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/latency"))
    parser.add_argument("--minutes", default="8")
    parser.add_argument("--recipe", help="the paper's space where there is none")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    kinds = [kind for kind in args.only if int(kind[-1]) <= usable_cores()]
    for number in (1, 2):
        for kind in kinds:
            recipe = ["--recipe", args.recipe] if args.recipe else []
            options = [*KINDS[kind], *recipe, "--minutes", args.minutes]
            measured(args.out / f"{kind}.{number}.json", options)
    print("| device | minutes | rounds | drift | median error | largest | tau | tau of MACs | second table |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with open(args.out / "nets.tsv", "w", encoding="utf-8") as nets:
        print("device", "table", "architecture", "predicted_ns", "measured_ns", "macs", sep="\t", file=nets)
        for kind in kinds:
            tables = [json.loads((args.out / f"{kind}.{number}.json").read_text()) for number in (1, 2)]
            for number, table in enumerate(tables, 1):
                print(row(table, wall(args.out / f"{kind}.{number}.json"), tables), flush=True)
                for net in table["check"]["nets"]:
                    print(kind, number, *net.values(), sep="\t", file=nets)
    return 0


def measured(file: Path, options: list[str]) -> None:
    """One table, unless it is there; its minutes beside it, those of a killed run before not counted."""
    if file.exists():
        return
    command = [sys.executable, "-m", "autostr_nni.cli.main", "measure", str(file), *options]
    begun = time.monotonic()
    print(file, file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 1):  # 1: it is written, and marked unfit
        sys.exit(done.returncode)
    file.with_suffix(".wall").write_text(f"{time.monotonic() - begun:.0f}\n")


def wall(file: Path) -> float:
    """Seconds of the whole command."""
    return float(file.with_suffix(".wall").read_text())


def row(table: dict[str, Any], seconds: float, both: list[dict[str, Any]]) -> str:
    """A table's figures, and how far the block of the median is from itself in the other table."""
    found = table["check"]
    times = zip(*([block[-1] for block in one["blocks"]] for one in both), strict=True)
    apart = median(abs(second / first - 1) for first, second in times if first)
    cells = [
        table["device"],
        f"{seconds / 60:.1f}",
        table["rounds"],
        f"{table['drift']:+.1%}",
        f"{found['median_error']:.1%}",
        f"{found['largest_error']:.1%}",
        f"{found['kendall_tau']:.2f}",
        f"{found['kendall_tau_of_macs']:.2f}",
        f"{apart:.1%} apart",
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
