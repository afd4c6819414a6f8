"""What ranking the stride paths costs, and the whole two-step search, beside random search.

    python benchmarks/step1.py TWO_STEP RANDOM [--nets 10] [--json]

Arguments are the folders of two finished searches (of NNI or in-process). Images are those that nets were
trained on; seconds are the trials' own, added up, so that trials side by side count twice. Where the random
search has another number of nets than `--nets`, its figures are scaled, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from autostr_nni.runs.records import read_metrics
from autostr_nni.runs.trial_record import read_search

STEPS = {"path": "step 1: stride paths", "operators": "step 2: operator search", "train": "step 3: training"}


def costs(folder: Path) -> dict[str, dict[str, float]]:
    """Trials, images and seconds by step."""
    found: dict[str, dict[str, float]] = {}
    for record in read_search(folder):
        lines = read_metrics(record.folder) if record.folder else []
        if not lines:
            continue
        sums = found.setdefault(record.step, {"trials": 0, "images": 0, "seconds": 0.0})
        sums["trials"] += 1
        sums["images"] += lines[-1]["images_seen"]
        sums["seconds"] += lines[-1]["seconds"]
    if not found:
        sys.exit(f"{folder}: no trial of a search has left metrics there")
    return found


def compare(two_step: Path, random: Path, nets: int) -> dict[str, Any]:
    """Rows of the table: name, trials, images, seconds and ratio to the whole two-step search."""
    steps, drawn = costs(two_step), costs(random)["train"]
    whole = {key: sum(step[key] for step in steps.values()) for key in ("trials", "images", "seconds")}
    scaled = {key: value * nets / drawn["trials"] for key, value in drawn.items()}
    name = f"random search, {nets} nets"
    if drawn["trials"] != nets:
        name += f" (scaled from {drawn['trials']:.0f})"
    rows = {STEPS[step]: steps[step] for step in STEPS if step in steps}
    rows |= {"two-step search": whole, name: scaled}
    return {
        title: {
            **row,
            "images_ratio": row["images"] / whole["images"],
            "seconds_ratio": row["seconds"] / whole["seconds"],
        }
        for title, row in rows.items()
    }


def table(rows: dict[str, Any]) -> str:
    lines = ["| | trials | images | of the two-step search | seconds of trials | of the two-step search |"]
    lines.append("| --- " * 6 + "|")
    for title, row in rows.items():
        cells = (
            title,
            f"{row['trials']:.0f}",
            f"{row['images']:,.0f}",
            f"{row['images_ratio']:.2f}",
            f"{row['seconds']:,.0f}",
            f"{row['seconds_ratio']:.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("two_step", type=Path)
    parser.add_argument("random", type=Path)
    parser.add_argument("--nets", type=int, default=10, help="nets of the random search (the paper's 10)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = compare(args.two_step, args.random, args.nets)
    print(json.dumps(rows, indent=1) if args.json else table(rows))


if __name__ == "__main__":
    main()
