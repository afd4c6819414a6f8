"""Tables of finished searches and trainings for RESULTS.md, from what they left on disk.

    python benchmarks/curves.py FOLDER...

A folder is a search's (of NNI or in-process) or that of one `autostr train`. Prints Markdown: one row per
trained net or path with images, seconds and accuracy on validation by epoch, and its test sets.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autostr_nni.runs.layout import trial_folders
from autostr_nni.runs.records import read_metrics
from autostr_nni.runs.trial_record import architecture_text, read_trial


def trials(folder: Path) -> Iterator[tuple[str, Path]]:
    """(title, folder) of every trial, in the order in which they ended their first epoch."""
    found = trial_folders(folder) or [folder]
    begun = [path for path in found if (path / "metrics.jsonl").exists()]
    for path in sorted(begun, key=lambda p: (p / "architecture.json").stat().st_mtime):
        parameters = read_trial(path).parameters
        step = parameters.get("step", "train")
        yield f"{step} {architecture_text(parameters) or parameters.get('stride_path') or path.name}", path


def curve(path: Path) -> str:
    """Validation word accuracy in percent by thousands of images seen."""
    points = (f"{line['images_seen'] / 1000:.0f}k {100 * line['default']:.1f}" for line in read_metrics(path))
    return ", ".join(points)


def row(title: str, path: Path) -> list[str]:
    """One line of the table."""
    lines = read_metrics(path)
    last = lines[-1]
    result: Mapping[str, Any] = read_trial(path).result
    test = ", ".join(
        f"{name} {100 * scores['word_accuracy']:.2f} % of {scores['words']}, "
        f"1-NED {scores['one_minus_ned']:.4f}"
        for name, scores in (result.get("test") or {}).items()
    )
    metrics = result.get("metrics", last)
    return [
        title,
        f"{metrics['macs_m']:.2f}",
        f"{metrics['params_m']:.3f}",
        f"{last['images_seen']:,}",
        f"{last['seconds']:.0f}",
        f"{metrics['loss']:.3f}",
        curve(path),
        test or "-",
    ]


HEAD = ["trial", "M MACs", "M params", "images", "s", "val. loss", "val. word accuracy, %", "test"]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Tables of searches and trainings, as Markdown.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    for folder in parser.parse_args().folders:
        rows = [row(title, path) for title, path in trials(folder)]
        if not rows:
            print(f"{folder}: no trial has ended an epoch", file=sys.stderr)
            return 1
        images = sum(int(cells[3].replace(",", "")) for cells in rows)
        seconds = sum(int(cells[4]) for cells in rows)
        print(f"\n{len(rows)} trials, {images:,} images, {seconds:,} s of trials\n")
        for cells in (HEAD, ["---"] * len(HEAD), *rows):
            print("| " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
